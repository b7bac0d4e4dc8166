//! Accounts by the batch: in, out, and out and in again.

use std::time::Duration;

use futures_util::future::join_all;
use portico_proto::{
    error::Reason,
    user::v1::{
        self as pb, ImportOutcome, transfer_service_client::TransferServiceClient,
        user_event::Change,
    },
};
use portico_service::Backend;

use crate::house::{House, answer, new_id, on_each, refused, refused_field};

fn transfer(house: &House) -> TransferServiceClient<Backend> {
    TransferServiceClient::new(house.backend.clone())
}

fn user(email: &str) -> pb::User {
    pb::User {
        email: email.into(),
        ..pb::User::default()
    }
}

fn batch(users: Vec<pb::User>) -> pb::ImportUserBatchRequest {
    pb::ImportUserBatchRequest {
        users,
        scopes: vec!["users:write".into()],
        ..pb::ImportUserBatchRequest::default()
    }
}

async fn import(house: &House, request: pb::ImportUserBatchRequest) -> Vec<pb::ImportUserResult> {
    let request = house.service(request);
    let answer = answer(transfer(house).import_user_batch(request).await);
    answer.unwrap().results
}

fn outcomes(results: &[pb::ImportUserResult]) -> Vec<ImportOutcome> {
    results.iter().map(pb::ImportUserResult::outcome).collect()
}

async fn export(house: &House, after: &str, show_deleted: bool) -> Vec<pb::User> {
    let request = house.admin(pb::ExportUsersRequest {
        after: after.into(),
        show_deleted,
    });
    let answer = transfer(house).export_users(request).await.unwrap();
    let (mut stream, mut users) = (answer.into_inner(), Vec::new());
    while let Some(line) = stream.message().await.unwrap() {
        users.extend(line.user);
    }
    users
}

async fn events(house: &House) -> usize {
    house.create("last@example.org").await;
    let mut stream = {
        let request = house.service(pb::WatchRequest { after: 0 });
        house.events().watch(request).await.unwrap().into_inner()
    };
    let mut count = 0;
    loop {
        let next = tokio::time::timeout(Duration::from_secs(10), stream.message());
        let batch = next.await.expect("in time").unwrap().unwrap();
        for event in batch.events {
            if let Some(Change::User(change)) = event.change {
                if change.user.unwrap().email == "last@example.org" {
                    return count;
                }
                count += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_created_then_skipped_then_changed() {
    on_each(async |house| {
        let mut users: Vec<pb::User> = (0..300)
            .map(|n| user(&format!("{n}@example.org")))
            .collect();
        let first = import(house, batch(users.clone())).await;
        assert!(
            outcomes(&first)
                .iter()
                .all(|it| *it == ImportOutcome::Created)
        );
        let again = import(house, batch(users.clone())).await;
        assert!(
            outcomes(&again)
                .iter()
                .all(|it| *it == ImportOutcome::Skipped)
        );
        let ids = |results: &[pb::ImportUserResult]| -> Vec<String> {
            results.iter().map(|it| it.id.clone()).collect()
        };
        assert_eq!(ids(&first), ids(&again));

        users[7].display_name = "Seven".into();
        users[9].email_verified = true;
        let third = import(house, batch(users.clone())).await;
        let updated = third
            .iter()
            .filter(|it| it.outcome() == ImportOutcome::Updated);
        assert_eq!(updated.count(), 2);
        let seven = house.get(&third[7].id).await.unwrap();
        assert_eq!(seven.display_name, "Seven");
        assert!(house.get(&third[9].id).await.unwrap().email_verified);
        // What a line does not say stays.
        users[7].display_name = String::new();
        assert_eq!(
            outcomes(&import(house, batch(vec![users[7].clone()])).await),
            [ImportOutcome::Skipped]
        );
        assert_eq!(events(house).await, 302);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_costs_few_statements() {
    on_each(async |house| {
        // Accounts and events in pieces of 128; another length makes a few more, each a power of two.
        let users: Vec<pb::User> = (0..512)
            .map(|n| user(&format!("{n}@example.org")))
            .collect();
        house.forget_statements();
        import(house, batch(users.clone())).await;
        assert_eq!(house.statements().len(), 1 + 4 + 4);
        import(house, batch(users)).await;
        assert_eq!(house.statements().len(), 1, "only the look-up");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_account_spoils_no_other() {
    on_each(async |house| {
        let taken = house.create("taken@example.org").await;
        let gone = house.create("gone@example.org").await;
        house.delete(&gone.id, "").await.unwrap();
        let users = vec![
            user("ok@example.org"),
            user("not an address"),
            user(""),
            pb::User {
                locale: "!".into(),
                ..user("locale@example.org")
            },
            pb::User {
                id: "x".into(),
                ..user("id@example.org")
            },
            pb::User {
                id: new_id(),
                ..user("taken@example.org")
            },
            user("gone@example.org"),
            pb::User {
                roles: vec!["admin".into()],
                ..user("climber@example.org")
            },
            pb::User {
                status: 3,
                ..user("deleted@example.org")
            },
            user("fine@example.org"),
        ];
        let results = import(house, batch(users)).await;
        let told: Vec<(&str, Vec<&str>)> = results
            .iter()
            .map(|it| {
                let fields = it.errors.iter().map(|fault| fault.field.as_str());
                (it.reason.as_str(), fields.collect())
            })
            .collect();
        let expected = [
            ("", vec![]),
            ("INVALID_ARGUMENT", vec!["user.email"]),
            ("INVALID_ARGUMENT", vec!["user.email"]),
            ("INVALID_ARGUMENT", vec!["user.locale"]),
            ("INVALID_ARGUMENT", vec!["user.id"]),
            ("EMAIL_TAKEN", vec![]),
            ("STATUS_CONFLICT", vec![]),
            ("INSUFFICIENT_SCOPE", vec![]),
            ("INVALID_ARGUMENT", vec!["user.status"]),
            ("", vec![]),
        ];
        assert_eq!(told, expected);
        assert_eq!(house.get(&taken.id).await.unwrap(), taken);
        assert_eq!(results[0].outcome(), ImportOutcome::Created);
        assert_eq!(results[9].outcome(), ImportOutcome::Created);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_comes_twice_is_created_once_and_the_last_word_counts() {
    on_each(async |house| {
        let named = |name: &str| pb::User {
            display_name: name.into(),
            ..user("Ada@example.org")
        };
        let users = vec![
            named("One"),
            user("bob@example.org"),
            named("Two"),
            named("Two"),
        ];
        let results = import(house, batch(users)).await;
        let expected = [
            ImportOutcome::Created,
            ImportOutcome::Created,
            ImportOutcome::Updated,
            ImportOutcome::Skipped,
        ];
        assert_eq!(outcomes(&results), expected);
        assert_eq!(house.get(&results[0].id).await.unwrap().display_name, "Two");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_can_move_from_one_account_to_another_in_one_batch() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        let moved = pb::User {
            id: ada.id.clone(),
            ..user("ada@example.com")
        };
        let results = import(house, batch(vec![moved, user("ada@example.org")])).await;
        assert_eq!(
            outcomes(&results),
            [ImportOutcome::Updated, ImportOutcome::Created]
        );
        assert_eq!(house.get(&ada.id).await.unwrap().email, "ada@example.com");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_changes_nothing() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        let mut request = batch(vec![
            pb::User {
                display_name: "Ada".into(),
                ..user("ada@example.org")
            },
            user("bob@example.org"),
            user("bob@example.org"),
        ]);
        request.validate_only = true;
        let results = import(house, request).await;
        let expected = [
            ImportOutcome::Updated,
            ImportOutcome::Created,
            ImportOutcome::Skipped,
        ];
        assert_eq!(outcomes(&results), expected);
        assert_eq!(results[1].id, "");
        assert_eq!(house.get(&ada.id).await.unwrap(), ada);
        assert_eq!(events(house).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_come_in_with_whoever_may_give_them() {
    on_each(async |house| {
        let mut request = batch(vec![
            pb::User {
                roles: vec!["auditor".into()],
                ..user("a@example.org")
            },
            pb::User {
                roles: vec!["nobody".into()],
                ..user("b@example.org")
            },
        ]);
        let admin = "clients:read clients:write roles:read roles:write service-accounts:read \
                     service-accounts:write sessions:read sessions:write users:read users:write";
        request.scopes = admin.split(' ').map(str::to_owned).collect();
        let results = import(house, request.clone()).await;
        assert_eq!(results[0].outcome(), ImportOutcome::Created);
        assert_eq!(results[1].errors[0].field, "user.roles");
        assert_eq!(house.get(&results[0].id).await.unwrap().roles, ["auditor"]);
        // Without roles:write, the other scopes are no help.
        request.users[0].email = "c@example.org".into();
        request.scopes.retain(|scope| scope != "roles:write");
        let results = import(house, request).await;
        assert_eq!(results[0].reason, "INSUFFICIENT_SCOPE");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_import_moves_the_address_of_somebody_who_may_more() {
    on_each(async |house| {
        let root = house
            .provision(&new_id(), "root@example.org", &["admin"])
            .await;
        let root = root.unwrap().user.unwrap();
        let moved = vec![
            pb::User {
                id: root.id.clone(),
                ..user("mine@example.org")
            },
            pb::User {
                email_verified: true,
                ..user("root@example.org")
            },
        ];
        for one in moved {
            let results = import(house, batch(vec![one])).await;
            assert_eq!(results[0].reason, "INSUFFICIENT_SCOPE");
        }
        assert_eq!(house.get(&root.id).await.unwrap(), root);
        let named = pb::User {
            display_name: "Root".into(),
            ..user("root@example.org")
        };
        let results = import(house, batch(vec![named])).await;
        assert_eq!(results[0].outcome(), ImportOutcome::Updated);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_import_takes_the_last_administrator_away() {
    on_each(async |house| {
        let provisioned = house
            .provision(&new_id(), "root@example.org", &["admin"])
            .await;
        let root = provisioned.unwrap().user.unwrap();
        let suspended = || pb::User {
            status: 2,
            ..user("root@example.org")
        };
        let results = import(house, batch(vec![suspended(), user("x@example.org")])).await;
        assert_eq!(results[0].reason, "LAST_ADMINISTRATOR");
        assert_eq!(results[1].outcome(), ImportOutcome::Created);
        assert_eq!(house.get(&root.id).await.unwrap(), root);
        house
            .provision(&new_id(), "second@example.org", &["admin"])
            .await
            .unwrap();
        let both = vec![
            suspended(),
            pb::User {
                status: 2,
                ..user("second@example.org")
            },
        ];
        let results = import(house, batch(both)).await;
        assert_eq!(results[0].outcome(), ImportOutcome::Updated);
        assert_eq!(results[1].reason, "LAST_ADMINISTRATOR");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_as_it_was() {
    for (from, to) in portico_testing::databases()
        .into_iter()
        .zip(portico_testing::databases())
    {
        let (from, to) = (House::open(from).await, House::open(to).await);
        for n in 0..520 {
            let created = from.create(&format!("{n}@example.org")).await;
            from.clock.advance(Duration::from_millis(1));
            if n % 7 == 0 {
                from.suspend(&created.id, "").await.unwrap();
            }
            if n % 100 == 0 {
                let named = pb::User {
                    id: created.id,
                    display_name: "Ada".into(),
                    locale: "de-AT".into(),
                    ..pb::User::default()
                };
                from.update(named, &["display_name", "locale"])
                    .await
                    .unwrap();
            }
        }
        let written = export(&from, "", false).await;
        assert_eq!(written.len(), 520);
        assert!(written.is_sorted_by(|a, b| a.id < b.id));
        // Taken up again, behind any account.
        assert_eq!(export(&from, &written[255].id, false).await, written[256..]);
        to.clock.advance(Duration::from_mins(1));
        let results = import(&to, batch(written.clone())).await;
        assert!(
            outcomes(&results)
                .iter()
                .all(|it| *it == ImportOutcome::Created)
        );
        let plain = |users: Vec<pb::User>| -> Vec<pb::User> {
            let strip = |user| pb::User {
                etag: String::new(),
                update_time: None,
                ..user
            };
            users.into_iter().map(strip).collect()
        };
        assert_eq!(plain(export(&to, "", false).await), plain(written));
        for house in [from, to] {
            house.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_accounts_are_exported_where_that_is_wanted() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        house.delete(&ada.id, "").await.unwrap();
        assert_eq!(export(house, "", false).await, []);
        assert_eq!(export(house, "", true).await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_bounds_and_is_for_services() {
    on_each(async |house| {
        let client = transfer(house);
        let call = async |request| answer(client.clone().import_user_batch(request).await);
        refused_field(call(house.service(batch(vec![]))).await, "users");
        let many = vec![user("a@example.org"); 1001];
        refused_field(call(house.service(batch(many))).await, "users");
        let one = batch(vec![user("a@example.org")]);
        refused(call(house.admin(one)).await, Reason::InternalOnly);
        let request = house.person("p", pb::ExportUsersRequest::default());
        let denied = answer(client.clone().export_users(request).await).map(|_| ());
        refused(denied, Reason::InsufficientScope);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_accounts_from_many_sides_come_in_once() {
    on_each(async |house| {
        let users: Vec<pb::User> = (0..50).map(|n| user(&format!("{n}@example.org"))).collect();
        let sides = (0..6).map(|_| import(house, batch(users.clone())));
        let created: usize = join_all(sides)
            .await
            .iter()
            .flat_map(|results| outcomes(results))
            .filter(|outcome| *outcome == ImportOutcome::Created)
            .count();
        assert_eq!(created, 50);
        assert_eq!(events(house).await, 50);
    })
    .await;
}
