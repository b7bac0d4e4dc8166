use std::time::{Duration, Instant};

use portico_proto::{error::Reason, user::v1 as pb};
use portico_service::database;
use portico_testing::own_postgres;
use portico_user::Migrator;

use crate::house::{House, answer, refused};

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_as_unavailable_while_the_database_is_away_and_work_afterwards() {
    let Some(mut postgres) = own_postgres() else {
        return;
    };
    let house = House::open_at("postgres", &postgres.database()).await;
    database::migrate::<Migrator>(&house.db).await.unwrap();
    let user = house.create("ada@example.org").await;
    let request = house.service(pb::WatchRequest { after: 1_000 });
    let mut stream = house.events().watch(request).await.unwrap().into_inner();

    postgres.stop();
    refused(house.get(&user.id).await, Reason::Unavailable);
    refused(
        house.try_create("bob@example.org").await,
        Reason::Unavailable,
    );
    // A listener is told, and comes back by itself.
    refused(stream.message().await, Reason::Unavailable);

    postgres.start();
    let patience = Instant::now() + Duration::from_secs(20);
    while house.get(&user.id).await.is_err() {
        assert!(Instant::now() < patience, "it does not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.get(&user.id).await.unwrap(), user);
    let page = house
        .users()
        .list_users(house.admin(pb::ListUsersRequest::default()))
        .await;
    assert_eq!(answer(page).unwrap().users, [user]);
    house.close().await;
}
