//! Lists that are filtered, searched and ordered.

use std::time::Duration;

use portico_proto::{error::Reason, user::v1 as pb};
use prost_types::FieldMask;
use tonic_types::StatusExt;

use crate::house::{House, answer, on_each, refused, refused_field};

async fn create(house: &House, user: pb::User) -> pb::User {
    house.clock.advance(Duration::from_mins(1));
    let request = house.admin(pb::CreateUserRequest {
        user: Some(user),
        ..pb::CreateUserRequest::default()
    });
    answer(house.users().create_user(request).await).unwrap()
}

/// Three people, one minute apart, of whom the second is suspended and the third an administrator.
async fn people(house: &House) -> [pb::User; 3] {
    let person = |email: &str, username: &str, given: &str, family: &str| pb::User {
        email: email.into(),
        username: username.into(),
        display_name: format!("{given} {family}"),
        given_name: given.into(),
        family_name: family.into(),
        ..pb::User::default()
    };
    let ada = pb::User {
        phone: "+436601234567".into(),
        locale: "de-AT".into(),
        time_zone: "Europe/Vienna".into(),
        email_verified: true,
        ..person("Ada@Example.org", "ada_l", "Ada", "Lovelace")
    };
    let ada = create(house, ada).await;
    let grace = person("grace@example.com", "", "Grace 100%", "Hopper");
    let grace = create(house, grace).await;
    let grace = house.suspend(&grace.id, "").await.unwrap();
    house.clock.advance(Duration::from_mins(1));
    let id = crate::house::new_id();
    let root = house
        .provision(&id, "root@other.example", &["admin", "user"])
        .await;
    [ada, grace, root.unwrap().user.unwrap()]
}

async fn found(house: &House, request: pb::ListUsersRequest) -> String {
    let page = house.query(request).await.unwrap();
    assert_eq!(page.next_page_token, "");
    let name = |user: &pb::User| user.email.chars().next().unwrap().to_ascii_lowercase();
    page.users.iter().map(name).collect()
}

async fn filtered(house: &House, filter: &str) -> String {
    let request = pb::ListUsersRequest {
        filter: filter.into(),
        ..pb::ListUsersRequest::default()
    };
    found(house, request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_finds_what_it_says() {
    on_each(async |house| {
        let [ada, grace, _] = people(house).await;
        let created = |user: &pb::User| {
            let time = user.create_time.unwrap();
            format!("{time}")
        };
        for (filter, expected) in [
            (String::new(), "agr"),
            (format!("id = \"{}\"", ada.id), "a"),
            (format!("id != {}", ada.id), "gr"),
            ("email = \"ADA@example.org\"".into(), "a"),
            ("email = ada".into(), ""),
            ("email != \"ada@example.org\"".into(), "gr"),
            ("email : \"@example.\"".into(), "ag"),
            ("email = \"*@EXAMPLE.ORG\"".into(), "a"),
            ("email = \"g*\"".into(), "g"),
            ("email = *other*".into(), "r"),
            ("email : o".into(), "agr"),
            ("username = ADA_L".into(), "a"),
            ("username = \"\"".into(), "gr"),
            ("username != ada_l".into(), "gr"),
            ("username : da_".into(), "a"),
            ("username : dax".into(), ""),
            ("display_name = \"ada lovelace\"".into(), "a"),
            ("display_name : \"LOVE\"".into(), "a"),
            ("display_name : \"ada love\"".into(), "a"),
            ("display_name = \"Ada L*\"".into(), "a"),
            ("display_name : \" lovelace\"".into(), "a"),
            ("display_name : \"ada  love\"".into(), ""),
            ("given_name : \"100%\"".into(), "g"),
            ("given_name : \"0%H\"".into(), ""),
            ("family_name = hop*".into(), "g"),
            ("phone = \"+436601234567\"".into(), "a"),
            ("phone : 660123".into(), "a"),
            ("locale = de-at".into(), "a"),
            ("time_zone = \"Europe/*\"".into(), "a"),
            ("status = ACTIVE".into(), "ar"),
            ("status = SUSPENDED".into(), "g"),
            ("NOT status = SUSPENDED".into(), "ar"),
            ("status = DELETED".into(), ""),
            ("email_verified = true".into(), "a"),
            ("email_verified = false".into(), "gr"),
            ("roles : admin".into(), "r"),
            ("roles : user".into(), "agr"),
            ("-roles : admin".into(), "ag"),
            ("roles : adm".into(), ""),
            (format!("create_time > \"{}\"", created(&ada)), "gr"),
            (format!("create_time >= \"{}\"", created(&grace)), "gr"),
            (format!("create_time = \"{}\"", created(&grace)), "g"),
            (format!("create_time != \"{}\"", created(&grace)), "ar"),
            (format!("update_time <= \"{}\"", created(&ada)), "a"),
            ("NOT delete_time > 1970-01-01T00:00:00Z".into(), "agr"),
            ("status = SUSPENDED OR roles : admin".into(), "gr"),
            ("email_verified = true OR status = SUSPENDED AND roles : admin".into(), ""),
            ("email_verified = true OR (status = SUSPENDED AND roles : user)".into(), "ag"),
            ("status = ACTIVE AND create_time > \"2020-01-01T00:00:00Z\" AND email : \"@example.org\"".into(), "a"),
            ("email = \"ada@example.org\" AND status = SUSPENDED".into(), ""),
        ] {
            assert_eq!(filtered(house, &filter).await, expected, "{filter} on {}", house.database);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_words_anywhere_and_short_ones_at_the_beginning() {
    on_each(async |house| {
        people(house).await;
        for (search, expected) in [
            ("lovelace", "a"),
            ("LOVE", "a"),
            ("velac", "a"),
            ("example", "agr"),
            ("@example.org", "a"),
            ("com", "g"),
            ("ada_l", "a"),
            ("adaxl", ""),
            ("ad", "a"),
            ("g", "g"),
            ("lo", "a"),
            ("ov", ""),
            ("hop gra", "g"),
            ("hop ada", ""),
            ("100%", "g"),
            ("1%0", ""),
            ("%%%", ""),
            ("___", ""),
            ("\"", ""),
            ("\\\\\\", ""),
            ("' OR 1=1 --", ""),
            ("  ", "agr"),
        ] {
            let request = pb::ListUsersRequest {
                search: search.into(),
                ..pb::ListUsersRequest::default()
            };
            assert_eq!(
                found(house, request).await,
                expected,
                "{search} on {}",
                house.database
            );
        }
        let both = pb::ListUsersRequest {
            search: "example".into(),
            filter: "status = ACTIVE AND email : other".into(),
            order_by: "email desc".into(),
            ..pb::ListUsersRequest::default()
        };
        assert_eq!(found(house, both).await, "r");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_keeps_step_with_changes() {
    on_each(async |house| {
        let [ada, ..] = people(house).await;
        let search = async |word: &str| {
            let request = pb::ListUsersRequest {
                search: word.into(),
                ..pb::ListUsersRequest::default()
            };
            found(house, request).await
        };
        let renamed = pb::User {
            email: "augusta@king.example".into(),
            family_name: "King".into(),
            display_name: String::new(),
            ..ada.clone()
        };
        house
            .update(renamed, &["email", "family_name", "display_name"])
            .await
            .unwrap();
        assert_eq!(search("lovelace").await, "");
        assert_eq!(search("king").await, "a");
        house.delete(&ada.id, "").await.unwrap();
        assert_eq!(search("king").await, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_goes_through_all_pages_both_ways() {
    on_each(async |house| {
        let mut expected = Vec::new();
        for n in 0..9 {
            let user = pb::User {
                email: format!("{}@example.org", (n * 7) % 10),
                // Some share a name.
                display_name: ["", "Ada", "bob"][n % 3].into(),
                ..pb::User::default()
            };
            expected.push(create(house, user).await);
        }
        let touched = expected[2].clone();
        house.clock.advance(Duration::from_mins(1));
        expected[2] = house
            .update(
                pb::User {
                    locale: "de".into(),
                    ..touched
                },
                &["locale"],
            )
            .await
            .unwrap();
        let time = |time: &Option<prost_types::Timestamp>| {
            let time = time.as_ref().unwrap();
            format!("{:020}.{:09}", time.seconds, time.nanos)
        };
        for (order, key) in [
            (
                "create_time",
                (|user, _| user) as fn(String, String) -> String,
            ),
            ("update_time", |user, _| user),
            ("email", |_, text| text),
            ("display_name", |_, text| text),
        ] {
            let sort_key = |user: &pb::User| match order {
                "create_time" => key(time(&user.create_time), String::new()),
                "update_time" => key(time(&user.update_time), String::new()),
                "email" => key(String::new(), user.email.clone()),
                _ => key(String::new(), user.display_name.to_lowercase()),
            };
            expected.sort_by_key(|user| (sort_key(user), user.id.clone()));
            for (direction, backwards) in [("", false), (" desc", true)] {
                for (filter, search) in [("", ""), ("email_verified = false", ""), ("", "example")]
                {
                    let (mut all, mut token) = (Vec::new(), String::new());
                    loop {
                        let page = house
                            .query(pb::ListUsersRequest {
                                page_size: 2,
                                page_token: token,
                                order_by: format!("{order}{direction}"),
                                filter: filter.into(),
                                search: search.into(),
                                ..pb::ListUsersRequest::default()
                            })
                            .await
                            .unwrap();
                        all.extend(page.users);
                        token = page.next_page_token;
                        if token.is_empty() {
                            break;
                        }
                    }
                    let mut wanted = expected.clone();
                    if backwards {
                        wanted.reverse();
                    }
                    let emails = |users: &[pb::User]| -> Vec<String> {
                        users.iter().map(|user| user.email.clone()).collect()
                    };
                    assert_eq!(
                        emails(&all),
                        emails(&wanted),
                        "{order}{direction} {filter} {search} on {}",
                        house.database
                    );
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_accounts_are_listed_and_read_when_asked_for() {
    on_each(async |house| {
        let [ada, ..] = people(house).await;
        house.delete(&ada.id, "").await.unwrap();
        let list = |filter: &str, deleted: bool| pb::ListUsersRequest {
            filter: filter.into(),
            show_deleted: deleted,
            ..pb::ListUsersRequest::default()
        };
        assert_eq!(found(house, list("", false)).await, "gr");
        assert_eq!(found(house, list("", true)).await, "agr");
        assert_eq!(found(house, list("status = DELETED", true)).await, "a");
        let get = |scope: &str| {
            let message = pb::GetUserRequest {
                id: ada.id.clone(),
                show_deleted: true,
                ..pb::GetUserRequest::default()
            };
            house.request(&ada.id, scope, message)
        };
        let seen = answer(house.users().get_user(get("users:read")).await).unwrap();
        assert_eq!(seen.status(), pb::UserStatus::Deleted);
        assert!(seen.purge_time.is_some());
        let herself = house.users().get_user(get("")).await;
        refused(answer(herself), Reason::InsufficientScope);

        let purge = pb::PurgeUserRequest {
            id: ada.id.clone(),
            ..pb::PurgeUserRequest::default()
        };
        answer(house.users().purge_user(house.admin(purge)).await).unwrap();
        assert_eq!(found(house, list("", true)).await, "gr");
        let purged = house.users().get_user(get("users:read")).await;
        refused(answer(purged), Reason::UserNotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_counted_when_asked_for() {
    on_each(async |house| {
        people(house).await;
        for (filter, search, size) in [
            ("", "", 3),
            ("status = ACTIVE", "", 2),
            ("status = ACTIVE AND status = SUSPENDED", "", 0),
            ("email = \"ada@example.org\"", "", 1),
            ("", "example", 3),
            ("status = ACTIVE", "example", 2),
        ] {
            let request = pb::ListUsersRequest {
                page_size: 1,
                filter: filter.into(),
                search: search.into(),
                show_total_size: true,
                ..pb::ListUsersRequest::default()
            };
            let page = house.query(request.clone()).await.unwrap();
            assert_eq!((page.total_size, page.total_size_is_minimum), (size, false));
            let silent = pb::ListUsersRequest {
                show_total_size: false,
                ..request
            };
            assert_eq!(house.query(silent).await.unwrap().total_size, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_mask_leaves_the_rest_out() {
    on_each(async |house| {
        let [ada, ..] = people(house).await;
        let mask = |paths: &[&str]| {
            Some(FieldMask {
                paths: paths.iter().map(ToString::to_string).collect(),
            })
        };
        let expected = pb::User {
            id: ada.id.clone(),
            email: ada.email.clone(),
            ..pb::User::default()
        };
        let get = |paths: &[&str]| {
            house.admin(pb::GetUserRequest {
                id: ada.id.clone(),
                read_mask: mask(paths),
                ..pb::GetUserRequest::default()
            })
        };
        let seen = house.users().get_user(get(&["email", "id"])).await;
        assert_eq!(answer(seen).unwrap(), expected);
        let seen = house.users().get_user(get(&["*"])).await;
        assert_eq!(answer(seen).unwrap(), ada);
        for path in ["displayName", "public_metadata.theme", "password", ""] {
            let seen = house.users().get_user(get(&["email", path])).await;
            refused_field(answer(seen), "read_mask");
        }
        let batch = house.admin(pb::BatchGetUsersRequest {
            ids: vec![ada.id.clone()],
            read_mask: mask(&["id", "email"]),
        });
        let batch = answer(house.users().batch_get_users(batch).await).unwrap();
        assert_eq!(batch.users, std::slice::from_ref(&expected));
        let list = pb::ListUsersRequest {
            filter: "email : ada".into(),
            read_mask: mask(&["id", "email"]),
            ..pb::ListUsersRequest::default()
        };
        assert_eq!(house.query(list).await.unwrap().users, [expected]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_queries_are_refused_by_field() {
    on_each(async |house| {
        people(house).await;
        let list = pb::ListUsersRequest::default;
        let long = "a".repeat(2049);
        for (field, request) in [
            (
                "filter",
                pb::ListUsersRequest {
                    filter: "nothing = 1".into(),
                    ..list()
                },
            ),
            (
                "filter",
                pb::ListUsersRequest {
                    filter: long,
                    ..list()
                },
            ),
            (
                "order_by",
                pb::ListUsersRequest {
                    order_by: "private_metadata".into(),
                    ..list()
                },
            ),
            (
                "search",
                pb::ListUsersRequest {
                    search: "a\0".into(),
                    ..list()
                },
            ),
            (
                "search",
                pb::ListUsersRequest {
                    search: "a".repeat(129),
                    ..list()
                },
            ),
        ] {
            refused_field(house.query(request).await, field);
        }
        let fault = pb::ListUsersRequest {
            filter: "status = ACTIVE AND x".into(),
            ..list()
        };
        let fault = house.query(fault).await.unwrap_err();
        let details = fault.get_details_bad_request().unwrap();
        let told = &details.field_violations[0].description;
        assert!(told.starts_with("column 21: this is no field"), "{told}");

        let own = pb::ListUsersRequest {
            page_size: 1,
            ..list()
        };
        let token = house.query(own).await.unwrap().next_page_token;
        for other in [
            pb::ListUsersRequest {
                filter: "status = ACTIVE".into(),
                ..list()
            },
            pb::ListUsersRequest {
                search: "ada".into(),
                ..list()
            },
            pb::ListUsersRequest {
                order_by: "email".into(),
                ..list()
            },
            pb::ListUsersRequest {
                show_deleted: true,
                ..list()
            },
        ] {
            let request = pb::ListUsersRequest {
                page_token: token.clone(),
                ..other
            };
            refused_field(house.query(request).await, "page_token");
        }
    })
    .await;
}
