use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use portico_proto::user::v1 as pb;

use crate::{
    house::{House, new_id, on_each, refused_field},
    plans::explain,
};

async fn pages(house: &House, size: i32) -> Vec<Vec<pb::User>> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let page = house.list(size, &token).await.unwrap();
        pages.push(page.users);
        token = page.next_page_token;
        if token.is_empty() {
            return pages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_through_all_accounts_from_the_oldest() {
    on_each(async |house| {
        assert_eq!(pages(house, 3).await, [vec![]]);
        let mut all = Vec::new();
        for n in 0..7 {
            all.push(house.create(&format!("{n}@example.org")).await);
            // Some share their time, to the microsecond.
            house.clock.advance(Duration::from_millis(n % 2));
        }
        all.sort_by_key(|user| {
            let time = user.create_time.unwrap();
            (time.seconds, time.nanos, user.id.clone())
        });
        for size in [1, 2, 3, 6, 7, 8] {
            let pages = pages(house, size).await;
            let (full, last) = pages.split_at(pages.len() - 1);
            assert!(
                full.iter()
                    .all(|page| page.len() == usize::try_from(size).unwrap())
            );
            assert!(!last[0].is_empty());
            assert_eq!(pages.concat(), all);
        }
        assert_eq!(house.list(0, "").await.unwrap().users, all);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_between_two_pages_moves_nobody() {
    on_each(async |house| {
        let mut all = Vec::new();
        for n in 0..6 {
            house.clock.advance(Duration::from_millis(1));
            all.push(house.create(&format!("{n}@example.org")).await);
        }
        let first = house.list(3, "").await.unwrap();
        house.delete(&all[0].id, "").await.unwrap();
        house.delete(&all[2].id, "").await.unwrap();
        house.delete(&all[4].id, "").await.unwrap();
        house.clock.advance(Duration::from_millis(1));
        let new = house.create("new@example.org").await;
        let second = house.list(10, &first.next_page_token).await.unwrap();
        assert_eq!(second.users, [all[3].clone(), all[5].clone(), new]);
        assert_eq!(second.next_page_token, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_size_a_page_has_fifty() {
    on_each(async |house| {
        let names: Vec<String> = (0..51).map(|n| format!("{n}@example.org")).collect();
        join_all(names.iter().map(|email| house.create(email))).await;
        let pages = pages(house, 0).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 1]);
        let ids: BTreeSet<String> = pages.concat().into_iter().map(|user| user.id).collect();
        assert_eq!(ids.len(), 51);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_pages_are_refused() {
    on_each(async |house| {
        for size in [-1, 1001, i32::MIN, i32::MAX] {
            refused_field(house.list(size, "").await, "page_size");
        }
        for n in 0..2 {
            house.create(&format!("{n}@example.org")).await;
        }
        let token = house.list(1, "").await.unwrap().next_page_token;
        let (cut, more) = (&token[1..], format!("{token}A"));
        for bad in ["x", "1", "%", "AAAA", cut, &more] {
            refused_field(house.list(1, bad).await, "page_token");
        }
        refused_field(house.list(1, &"A".repeat(2049)).await, "page_token");
        // A time that no account has, and no database takes.
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
        let time = bytes.len() - 8;
        for micros in [-1, i64::MIN / 1000, i64::MAX / 2] {
            bytes[time..].copy_from_slice(&micros.to_be_bytes());
            let made_up = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            refused_field(house.list(1, &made_up).await, "page_token");
        }
    })
    .await;
}

/// A page must come out of the index that is in its order, however far down the list it is.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_scans_or_sorts_the_table() {
    on_each(async |house| {
        let (a, b) = (
            house.create("a@example.org").await,
            house.create("b@example.org").await,
        );
        house.forget_statements();
        let page = house.list(1, "").await.unwrap();
        house.list(1, &page.next_page_token).await.unwrap();
        house.get(&a.id).await.unwrap();
        house
            .update(
                pb::User {
                    locale: "de".into(),
                    ..b.clone()
                },
                &["locale"],
            )
            .await
            .unwrap();
        house.read(0, 3).await;
        let admin = house
            .provision(&new_id(), "c@example.org", &["admin"])
            .await
            .unwrap();
        house
            .provision(&new_id(), "d@example.org", &["admin"])
            .await
            .unwrap();
        house.suspend(&admin.user.unwrap().id, "").await.unwrap();
        let statements = house.statements();
        let reads = statements.iter().filter(|sql| !sql.starts_with("INSERT"));
        let mut explained = 0;
        for sql in reads {
            for step in explain(house, sql).await {
                // What was read by an index may be gone through once more.
                let read = [
                    "USING INDEX",
                    "SCAN batch",
                    "SCAN counted",
                    "SCAN (subquery",
                ];
                let scan = step.contains("SCAN") && !read.iter().any(|read| step.contains(read));
                let bad = ["TEMP B-TREE", "Seq Scan", "Sort"];
                let bad = scan || bad.iter().any(|bad| step.contains(bad));
                assert!(!bad, "{step}: {sql}");
            }
            explained += 1;
        }
        assert!(explained >= 8, "{statements:#?}");
    })
    .await;
}
