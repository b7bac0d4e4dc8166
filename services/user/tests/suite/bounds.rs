//! What is large is cut into pieces, and what is asked for too often is refused.

use portico_proto::user::v1 as pb;
use prost::Message;
use prost_types::{FieldMask, ListValue, Struct, Value, value::Kind};

use crate::house::{House, answer, on_each, refused_field};

/// What clients of gRPC take at once unless they say otherwise.
const MESSAGE: usize = 4 << 20;

/// Metadata of the greatest size that is taken: as JSON 16 KiB, on the wire more than five times as much.
fn large() -> Struct {
    numbers(8188)
}

fn numbers(count: usize) -> Struct {
    let zero = Value {
        kind: Some(Kind::NumberValue(0.0)),
    };
    let values = vec![zero; count];
    let list = Kind::ListValue(ListValue { values });
    let list = Value { kind: Some(list) };
    Struct {
        fields: [("a".to_owned(), list)].into(),
    }
}

async fn create_large(house: &House, n: u32) -> pb::User {
    let user = pb::User {
        email: format!("{n}@example.org"),
        public_metadata: Some(large()),
        private_metadata: Some(large()),
        ..pb::User::default()
    };
    let request = house.admin(pb::CreateUserRequest {
        user: Some(user),
        ..pb::CreateUserRequest::default()
    });
    answer(house.users().create_user(request).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn however_large_accounts_are_no_message_is_too_large_and_nothing_is_left_out() {
    on_each(async |house| {
        let mut all = Vec::new();
        for n in 0..60 {
            all.push(create_large(house, n).await);
        }
        let user_bytes = all[0].encoded_len();
        assert!(60 * user_bytes > 2 * MESSAGE, "{user_bytes}");

        let watch = house.service(pb::WatchRequest { after: 0 });
        let mut stream = house.events().watch(watch).await.unwrap().into_inner();
        // The roles that are built in, and the accounts.
        let mut left = 3 + all.len();
        while left > 0 {
            let batch = stream.message().await.unwrap().unwrap();
            assert!(batch.encoded_len() < MESSAGE, "{}", batch.encoded_len());
            left -= batch.events.len();
        }

        let snapshot = house.service(pb::SnapshotRequest::default());
        let mut stream = house
            .events()
            .snapshot(snapshot)
            .await
            .unwrap()
            .into_inner();
        let mut users = Vec::new();
        while let Some(part) = stream.message().await.unwrap() {
            assert!(part.encoded_len() < MESSAGE, "{}", part.encoded_len());
            users.extend(part.users.into_iter().filter_map(|change| change.user));
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(users, all);

        let (mut users, mut token) = (Vec::new(), String::new());
        loop {
            let page = house.list(1000, &token).await.unwrap();
            assert!(!page.users.is_empty());
            users.extend(page.users);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        users.sort_by(|a, b| a.id.cmp(&b.id));
        assert_eq!(users, all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_names_each_part_once_and_not_too_many() {
    on_each(async |house| {
        let ada = house.create("ada@example.org").await;
        let change = pb::User {
            public_metadata: Some(numbers(3)),
            etag: String::new(),
            ..ada.clone()
        };
        let same = vec!["public_metadata"; 500];
        let changed = house.update(change.clone(), &same).await.unwrap();
        assert_eq!(changed.public_metadata, change.public_metadata);
        let members: Vec<String> = (0..65).map(|n| format!("public_metadata.m{n}")).collect();
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        let changed = house.update(change.clone(), &members[..64]).await.unwrap();
        assert_eq!(changed.public_metadata, change.public_metadata);
        refused_field(house.update(change, &members).await, "update_mask");

        let change = pb::User {
            public_metadata: Some(numbers(100_000)),
            ..ada
        };
        let message = pb::UpdateUserRequest {
            update_mask: Some(FieldMask {
                paths: vec!["public_metadata".into()],
            }),
            user: Some(change.clone()),
        };
        // It is refused for its size before anybody asks who may.
        let request = house.person(&change.id, message);
        let refused = answer(house.users().update_user(request).await);
        refused_field(refused, "user.public_metadata");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_which_little_is_found_goes_on_behind_what_was_looked_at() {
    on_each(async |house| {
        house.fill(20_500).await;
        let rare = pb::User {
            email: "rare@example.org".into(),
            time_zone: "Europe/Vienna".into(),
            ..pb::User::default()
        };
        let request = house.admin(pb::CreateUserRequest {
            user: Some(rare),
            ..pb::CreateUserRequest::default()
        });
        let rare = answer(house.users().create_user(request).await).unwrap();
        let mut request = pb::ListUsersRequest {
            filter: "time_zone = \"Europe/Vienna\"".into(),
            ..pb::ListUsersRequest::default()
        };
        house.forget_statements();
        let first = house.query(request.clone()).await.unwrap();
        assert_eq!(first.users, []);
        assert_eq!(house.statements().len(), 1);
        request.page_token = first.next_page_token;
        let second = house.query(request).await.unwrap();
        assert_eq!(second.users, std::slice::from_ref(&rare));
        assert_eq!(second.next_page_token, "");

        // What can be looked up is found at once, behind however many others.
        for (search, filter) in [("rare", ""), ("", "email : \"rare@\"")] {
            let request = pb::ListUsersRequest {
                search: search.into(),
                filter: filter.into(),
                ..pb::ListUsersRequest::default()
            };
            let page = house.query(request).await.unwrap();
            assert_eq!(page.users, std::slice::from_ref(&rare), "{search}{filter}");
            assert_eq!(page.next_page_token, "");
        }
        // What is common is not looked up for a filter that leaves little of it, and what is common fills its
        // pages, one behind the other.
        let everything = async |search: &str, filter: &str| {
            let mut request = pb::ListUsersRequest {
                search: search.into(),
                filter: filter.into(),
                page_size: 1000,
                ..pb::ListUsersRequest::default()
            };
            let mut users = Vec::new();
            loop {
                let page = house.query(request.clone()).await.unwrap();
                users.extend(page.users);
                request.page_token = page.next_page_token;
                if request.page_token.is_empty() {
                    return users;
                }
            }
        };
        let found = everything("example", "time_zone = \"Europe/Vienna\"").await;
        assert_eq!(found, std::slice::from_ref(&rare));
        let begins_with_7 = (1..=20_500).filter(|n: &u32| n.to_string().starts_with('7'));
        let found = everything("person 7", "").await;
        assert_eq!(found.len(), begins_with_7.count());
        assert!(found.is_sorted_by_key(|user| user.create_time.map(|time| time.seconds)));
    })
    .await;
}
