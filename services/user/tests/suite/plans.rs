//! How the database goes about what is asked of it.

use portico_proto::user::v1::{
    self as pb, role_service_client::RoleServiceClient,
    transfer_service_client::TransferServiceClient,
};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};

use crate::house::{House, answer, new_id, on_each};

/// Every kind of list that is offered. None may read the table itself, from one end to the other.
#[tokio::test(flavor = "multi_thread")]
async fn every_list_runs_on_an_index() {
    on_each(async |house| {
        house.fill(3000).await;
        let list = pb::ListUsersRequest::default;
        let mut lists = Vec::new();
        for order_by in ["create_time", "update_time", "email", "display_name"] {
            for direction in ["", " desc"] {
                let order_by = format!("{order_by}{direction}");
                lists.push(pb::ListUsersRequest {
                    order_by: order_by.clone(),
                    ..list()
                });
                for filter in ["email_verified = false", "locale = de OR -time_zone = UTC"] {
                    lists.push(pb::ListUsersRequest {
                        order_by: order_by.clone(),
                        filter: filter.into(),
                        ..list()
                    });
                }
                for search in ["example", "a", "lovelace ada@"] {
                    lists.push(pb::ListUsersRequest {
                        order_by: order_by.clone(),
                        search: search.into(),
                        ..list()
                    });
                }
            }
        }
        for filter in [
            "status = ACTIVE",
            "status = SUSPENDED",
            "roles : admin",
            "roles : user",
            "phone = \"+436601234567\"",
            "create_time > 2026-01-01T00:00:00Z AND create_time < 2027-01-01T00:00:00Z",
            "update_time > 2026-01-01T00:00:00Z",
            "email : \"@example.org\"",
            "email = \"ada*\"",
            "email = \"a*\"",
            "username : ada",
            "display_name = Ada",
            "family_name : lovelace",
            "status = ACTIVE AND create_time > \"2026-01-01T00:00:00Z\" AND email : \"@example.org\"",
        ] {
            lists.push(pb::ListUsersRequest {
                filter: filter.into(),
                ..list()
            });
        }
        for order_by in ["create_time", "create_time desc"] {
            for filter in ["", "status = DELETED", "delete_time > 2026-01-01T00:00:00Z"] {
                lists.push(pb::ListUsersRequest {
                    order_by: order_by.into(),
                    filter: filter.into(),
                    show_deleted: true,
                    ..list()
                });
            }
        }
        for request in lists {
            house.forget_statements();
            let one = pb::ListUsersRequest {
                page_size: 1,
                show_total_size: true,
                ..request
            };
            let page = house.query(one.clone()).await.unwrap();
            if !page.next_page_token.is_empty() {
                let next = pb::ListUsersRequest {
                    page_token: page.next_page_token,
                    ..one.clone()
                };
                house.query(next).await.unwrap();
            }
            let statements = house.statements();
            assert!(!statements.is_empty());
            for sql in statements {
                let plan = explain(house, &sql).await;
                assert_indexed(&plan, &sql, &one);
                // A page along an index is not sorted. What trigrams find is, and there is little of it.
                let walks = one.search.is_empty() && one.filter.is_empty();
                if walks && !sql.contains("count(*)") {
                    let sorted = |step: &&String| step.contains("Sort") || step.contains("TEMP B-TREE");
                    assert_eq!(plan.iter().find(sorted), None, "{one:?}\n{sql}\n{plan:#?}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_is_one_probe_of_an_index() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        house.fill(3000).await;
        let look_up = async |filter: String| {
            house.forget_statements();
            let request = pb::ListUsersRequest {
                filter,
                ..pb::ListUsersRequest::default()
            };
            house.query(request).await.unwrap();
            let statements = house.statements();
            assert_eq!(statements.len(), 1);
            explain(house, &statements[0]).await
        };
        for (filter, index) in [
            (
                "email = \"Ada@example.org\"".to_owned(),
                "users_email_key_key|users_by_email|sqlite_autoindex_users",
            ),
            ("username = ada".to_owned(), "users_username"),
            (
                format!("id = \"{}\"", ada.id),
                "users_pkey|sqlite_autoindex_users",
            ),
            (
                "email = \"ada@example.org\" AND status = ACTIVE".to_owned(),
                "users_email_key_key|users_by_email|sqlite_autoindex_users",
            ),
        ] {
            let plan = look_up(filter.clone()).await;
            let steps: Vec<&String> = plan.iter().filter(|step| step.contains("users")).collect();
            assert_eq!(steps.len(), 1, "{filter}: {plan:#?}");
            let probes = index.split('|').any(|index| steps[0].contains(index));
            assert!(probes, "{filter}: {plan:#?}");
        }
    })
    .await;
}

/// What the other methods ask for: nothing of it may read a table that grows, from one end to the other.
#[tokio::test(flavor = "multi_thread")]
async fn no_method_reads_a_large_table_from_end_to_end() {
    on_each(async |house| {
        house.fill(3000).await;
        house.forget_statements();
        everything_else(house).await;
        let mut statements = house.statements();
        statements.sort_unstable();
        statements.dedup();
        for sql in &statements {
            let plan = explain(house, sql).await;
            assert_indexed(&plan, sql, &pb::ListUsersRequest::default());
        }
        assert!(statements.len() > 20, "{statements:#?}");
    })
    .await;
}

/// Calls each method that is no list, as it succeeds.
async fn everything_else(house: &House) {
    let ada = an_account(house).await;
    transfers(house).await;
    a_role(house, &ada).await;
    administrators(house).await;
    events(house, &ada).await;
    the_end(house, ada).await;
}

fn user(email: &str) -> pb::User {
    pb::User {
        email: email.into(),
        username: email.split('@').next().unwrap_or_default().into(),
        ..pb::User::default()
    }
}

async fn an_account(house: &House) -> pb::User {
    let create = pb::CreateUserRequest {
        user: Some(user("keyed@example.org")),
        request_id: "key".into(),
    };
    let ada = answer(house.users().create_user(house.admin(create)).await).unwrap();
    house.get(&ada.id).await.unwrap();
    let batch = pb::BatchGetUsersRequest {
        ids: vec![ada.id.clone(), new_id()],
        ..pb::BatchGetUsersRequest::default()
    };
    answer(house.users().batch_get_users(house.admin(batch)).await).unwrap();
    house.suspend(&ada.id, "").await.unwrap();
    house.reactivate(&ada.id, "").await.unwrap();
    house.delete(&ada.id, "").await.unwrap();
    let undelete = pb::UndeleteUserRequest {
        id: ada.id.clone(),
        ..pb::UndeleteUserRequest::default()
    };
    answer(house.users().undelete_user(house.admin(undelete)).await).unwrap()
}

async fn transfers(house: &House) {
    let mut transfer = TransferServiceClient::new(house.backend.clone());
    for name in ["first", "second"] {
        let one = |n: u32| pb::User {
            display_name: name.into(),
            ..user(&format!("import{n}@example.org"))
        };
        // The second time there is one more, who brings an id.
        let numbered = (name == "second").then(|| pb::User {
            id: new_id(),
            ..user("numbered@example.org")
        });
        let batch = pb::ImportUserBatchRequest {
            users: (0..3).map(one).chain(numbered).collect(),
            ..pb::ImportUserBatchRequest::default()
        };
        let done = answer(transfer.import_user_batch(house.service(batch)).await).unwrap();
        assert!(
            done.results.iter().all(|it| it.reason.is_empty()),
            "{done:?}"
        );
    }
    let export = house.admin(pb::ExportUsersRequest::default());
    let mut lines = transfer.export_users(export).await.unwrap().into_inner();
    while lines.message().await.unwrap().is_some() {}
}

async fn a_role(house: &House, holder: &pb::User) {
    let mut roles = RoleServiceClient::new(house.backend.clone());
    let keeper = "roles:read roles:write users:read";
    let create = pb::CreateRoleRequest {
        role: Some(pb::Role {
            name: "desk".into(),
            scopes: vec!["users:read".into()],
            ..pb::Role::default()
        }),
        ..pb::CreateRoleRequest::default()
    };
    let id = new_id();
    answer(roles.create_role(house.request(&id, keeper, create)).await).unwrap();
    let (user_id, role) = (holder.id.clone(), "desk".to_owned());
    let grant = pb::GrantRoleRequest {
        user_id: user_id.clone(),
        role: role.clone(),
        ..pb::GrantRoleRequest::default()
    };
    answer(roles.grant_role(house.request(&id, keeper, grant)).await).unwrap();
    let revoke = pb::RevokeRoleRequest {
        user_id,
        role,
        ..pb::RevokeRoleRequest::default()
    };
    answer(roles.revoke_role(house.request(&id, keeper, revoke)).await).unwrap();
    let delete = pb::DeleteRoleRequest {
        name: "desk".into(),
        ..pb::DeleteRoleRequest::default()
    };
    answer(roles.delete_role(house.request(&id, keeper, delete)).await).unwrap();
}

async fn administrators(house: &House) {
    for name in ["root", "second-root"] {
        let email = format!("{name}@example.org");
        let id = new_id();
        house.provision(&id, &email, &["admin"]).await.unwrap();
        // The last administrator is kept.
        assert_eq!(house.suspend(&id, "").await.is_ok(), name != "root");
    }
}

async fn events(house: &House, ada: &pb::User) {
    let renamed = pb::User {
        id: ada.id.clone(),
        display_name: "Ada".into(),
        ..pb::User::default()
    };
    house.update(renamed, &["display_name"]).await.unwrap();
    house.read(0, 3).await;
    let mut events = house.events();
    let snapshot = house.service(pb::SnapshotRequest::default());
    let mut parts = events.snapshot(snapshot).await.unwrap().into_inner();
    while parts.message().await.unwrap().is_some() {}
}

/// The address is proved, and then the account goes.
async fn the_end(house: &House, ada: pb::User) {
    let confirm = house.service(pb::ConfirmEmailRequest {
        id: ada.id.clone(),
        email: "proved@example.org".into(),
        previous_email: ada.email,
    });
    answer(house.provisioning().confirm_email(confirm).await).unwrap();
    house.delete(&ada.id, "").await.unwrap();
    let purge = pb::PurgeUserRequest {
        id: ada.id,
        ..pb::PurgeUserRequest::default()
    };
    answer(house.users().purge_user(house.admin(purge)).await).unwrap();
}

fn assert_indexed(plan: &[String], sql: &str, request: &pb::ListUsersRequest) {
    for step in plan {
        for table in ["users", "outbox"] {
            let scan = step.contains(&format!("SCAN {table}")) && !step.contains("INDEX");
            let bad = scan || step.contains(&format!("Seq Scan on {table}"));
            assert!(!bad, "{request:?}\n{sql}\n{plan:#?}");
        }
    }
}

/// The steps of the plan for a statement, whatever its values.
pub async fn explain(house: &House, sql: &str) -> Vec<String> {
    let tx = house.db.begin().await.unwrap();
    let backend = tx.get_database_backend();
    let (sql, column) = if backend == DbBackend::Sqlite {
        (format!("EXPLAIN QUERY PLAN {sql}"), "detail")
    } else {
        // A table of two rows is rightly scanned, unless that is made dear.
        for setting in [
            "enable_seqscan = off",
            "plan_cache_mode = force_generic_plan",
        ] {
            tx.execute_unprepared(&format!("SET LOCAL {setting}"))
                .await
                .unwrap();
        }
        tx.execute_unprepared(&format!("PREPARE explained AS {sql}"))
            .await
            .unwrap();
        let values = (1..1000)
            .take_while(|n| sql.contains(&format!("${n}")))
            .count();
        let values = match values {
            0 => String::new(),
            _ => format!("({})", vec!["NULL"; values].join(", ")),
        };
        (format!("EXPLAIN EXECUTE explained{values}"), "QUERY PLAN")
    };
    let rows = tx
        .query_all_raw(Statement::from_string(backend, sql))
        .await
        .unwrap();
    if backend == DbBackend::Postgres {
        tx.execute_unprepared("DEALLOCATE explained").await.unwrap();
    }
    rows.iter()
        .map(|row| row.try_get("", column).unwrap())
        .collect()
}
