//! Limits on guessing, and that nobody is locked out by somebody else's guesses.

use std::time::Duration;

use portico_proto::{
    auth::v1::{ChangePasswordRequest, ForgotPasswordRequest, LoginRequest, TokenResponse},
    error::Reason,
};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::support::{EMAIL, PASSWORD, Setting, World, bearing};

const WRONG: &str = "not the password";

fn limited() -> Setting {
    Setting::new()
        .with("AUTH__GUESSES_PER_ACCOUNT", "3")
        .with("AUTH__GUESSES_PER_ADDRESS", "5")
        .with("AUTH__MAILS_PER_ACCOUNT", "2")
        .with("AUTH__MAILS_PER_ADDRESS", "6")
}

async fn login(
    world: &World,
    from: &str,
    email: &str,
    password: &str,
) -> Result<TokenResponse, Status> {
    let mut request = Request::new(LoginRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    });
    let from = from.parse().expect("metadata");
    request.metadata_mut().insert("x-forwarded-for", from);
    Ok(world.auth().login(request).await?.into_inner())
}

#[track_caller]
fn limited_for<T: std::fmt::Debug>(result: Result<T, Status>) -> Duration {
    let status = result.expect_err("is limited");
    assert_eq!(
        Reason::of(&status),
        Some(Reason::TooManyAttempts),
        "{status:?}"
    );
    let delay = status
        .get_details_retry_info()
        .and_then(|it| it.retry_delay);
    let delay = delay.expect("says when");
    assert!(!delay.is_zero());
    delay
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_an_account_are_limited_whether_it_exists_or_not() {
    let database = &portico_testing::databases()[0];
    let world = limited().start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    for (net, email) in ["Ada@example.com", "nobody@example.com"]
        .into_iter()
        .enumerate()
    {
        for host in 0..3 {
            let from = format!("203.0.{net}.{host}");
            let wrong = login(&world, &from, email, WRONG).await;
            let status = wrong.expect_err("is wrong");
            assert_eq!(Reason::of(&status), Some(Reason::InvalidCredentials));
        }
        let from = format!("203.0.{net}.99");
        let delay = limited_for(login(&world, &from, email, PASSWORD).await);
        assert!(delay <= Duration::from_secs(20), "{delay:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_gets_in_on_a_known_device_while_strangers_guess() {
    let database = &portico_testing::databases()[0];
    let world = limited().start(&database.url).await;
    let device = world.ada().await.device_token;
    assert!(!device.is_empty());
    for host in 0..3 {
        let from = format!("203.0.113.{host}");
        login(&world, &from, EMAIL, WRONG)
            .await
            .expect_err("is wrong");
    }
    limited_for(login(&world, "198.51.100.1", EMAIL, PASSWORD).await);
    for _ in 0..5 {
        let known = world.login_on(&device, "", EMAIL, PASSWORD).await;
        let again = known.expect("the owner is let in").device_token;
        assert!(!again.is_empty());
    }
    // What is stolen from the device is limited by itself, and helps with no other account.
    for _ in 0..3 {
        let wrong = world.login_on(&device, "", EMAIL, WRONG).await;
        wrong.expect_err("is wrong");
    }
    limited_for(world.login_on(&device, "", EMAIL, WRONG).await);
    world
        .register("bob@example.com", PASSWORD)
        .await
        .expect("registers");
    for _ in 0..3 {
        let other = world.login_on(&device, "", "bob@example.com", WRONG).await;
        other.expect_err("is wrong");
    }
    limited_for(world.login_on(&device, "", "bob@example.com", WRONG).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_from_one_client_are_limited_and_right_ones_are_not_counted() {
    let database = &portico_testing::databases()[0];
    let world = limited().start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    for _ in 0..20 {
        let right = login(&world, "2001:db8::1", EMAIL, PASSWORD).await;
        right.expect("signs in");
    }
    for n in 0..5 {
        let from = format!("2001:db8::{n}");
        let email = format!("person-{n}@example.com");
        login(&world, &from, &email, WRONG)
            .await
            .expect_err("is wrong");
    }
    limited_for(login(&world, "2001:db8::ffff", EMAIL, PASSWORD).await);
    let elsewhere = login(&world, "2001:db8:0:1::1", EMAIL, PASSWORD).await;
    elsewhere.expect("another network is another client");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sends_mails_is_limited_alike_for_known_and_unknown() {
    let database = &portico_testing::databases()[0];
    let world = limited().start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    for (email, left) in [(EMAIL, 1), ("nobody@example.com", 2)] {
        let forgot = || {
            let email = email.to_owned();
            let request = ForgotPasswordRequest { email };
            async { world.passwords().forgot_password(request).await }
        };
        for _ in 0..left {
            forgot().await.expect("answers");
        }
        limited_for(forgot().await);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_is_no_way_to_guess_the_password() {
    let database = &portico_testing::databases()[0];
    let world = limited().start(&database.url).await;
    let token = world.ada().await.access_token;
    let change = async |old: &str| {
        let request = ChangePasswordRequest {
            old_password: old.to_owned(),
            new_password: "another good password".to_owned(),
        };
        let request = bearing(&token, request);
        world.passwords().change_password(request).await
    };
    for _ in 0..3 {
        change(WRONG).await.expect_err("is wrong");
    }
    limited_for(change(PASSWORD).await);
    world.stop().await;
}
