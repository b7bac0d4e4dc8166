//! Mails: links that work once, and an outbox that loses none.

use std::time::Duration;

use portico_proto::{
    auth::v1::{
        ChangeEmailRequest, ChangePasswordRequest, ForgotPasswordRequest, LogoutRequest,
        ResendVerificationRequest, ResetPasswordRequest, VerifyEmailRequest, VerifyFactorRequest,
    },
    error::Reason,
    user::v1::UserStatus,
};
use tonic::{Code, Status};

use crate::{
    registration::futures_join,
    support::{EMAIL, PASSWORD, Setting, World, bearing},
};

const NEW_PASSWORD: &str = "another good password";
pub const RESET: &str = "Choose a new password";
pub const VERIFY: &str = "Verify your e-mail address";

pub async fn forgot(world: &World, email: &str) -> Result<(), Status> {
    let email = email.to_owned();
    let request = ForgotPasswordRequest { email };
    world.passwords().forgot_password(request).await.map(drop)
}

async fn reset(world: &World, token: &str, password: &str) -> Result<String, Status> {
    let request = ResetPasswordRequest {
        token: token.to_owned(),
        new_password: password.to_owned(),
    };
    let answer = world.passwords().reset_password(request).await?;
    Ok(answer.into_inner().device_token)
}

async fn verify(world: &World, token: &str) -> Result<(), Status> {
    let token = token.to_owned();
    world
        .emails()
        .verify_email(VerifyEmailRequest { token })
        .await
        .map(drop)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>, reason: Reason) -> Status {
    let status = result.expect_err("is refused");
    assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_by_a_link_that_works_once() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        forgot(&world, "ADA@example.com").await.expect("answers");
        let token = world.mail(RESET, EMAIL).await.token();

        let common = reset(&world, &token, "password123").await;
        refused(common, Reason::InvalidArgument);
        // Sent to the address that the account has, whatever was typed.
        let device = reset(&world, &token, NEW_PASSWORD).await.expect("resets");
        assert!(!device.is_empty());
        refused(
            reset(&world, &token, NEW_PASSWORD).await,
            Reason::InvalidLink,
        );
        refused(
            world.login(EMAIL, PASSWORD).await,
            Reason::InvalidCredentials,
        );
        world.login(EMAIL, NEW_PASSWORD).await.expect("signs in");

        // Every session is over, at once.
        let logout = bearing(&tokens.access_token, LogoutRequest {});
        let status = world.auth().logout(logout).await.expect_err("is over");
        assert_eq!(Reason::of(&status), Some(Reason::SessionRevoked));
        let refreshed = world.refresh(&tokens.refresh_token).await;
        refused(refreshed, Reason::InvalidGrant);

        // Whoever opened the link has proved the address, and is told what happened.
        assert!(world.users.account(EMAIL).expect("exists").email_verified);
        world.mail("Your password was changed", EMAIL).await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_dies_with_its_time_a_newer_one_and_a_change() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;

        forgot(&world, EMAIL).await.expect("answers");
        let first = world.mail(RESET, EMAIL).await.token();
        forgot(&world, EMAIL).await.expect("answers");
        let second = world.mails(RESET, EMAIL, 2).await[1].token();
        assert_ne!(first, second);
        refused(
            reset(&world, &first, NEW_PASSWORD).await,
            Reason::InvalidLink,
        );

        let change = ChangePasswordRequest {
            old_password: PASSWORD.to_owned(),
            new_password: NEW_PASSWORD.to_owned(),
        };
        let change = bearing(&tokens.access_token, change);
        let answer = world.passwords().change_password(change).await;
        answer.expect("changes");
        refused(reset(&world, &second, PASSWORD).await, Reason::InvalidLink);

        forgot(&world, EMAIL).await.expect("answers");
        let third = world.mails(RESET, EMAIL, 3).await[2].token();
        world.hand.advance(Duration::from_mins(15));
        refused(reset(&world, &third, PASSWORD).await, Reason::InvalidLink);

        for text in ["", "x", &"A".repeat(43), &"A".repeat(128)] {
            let status = reset(&world, text, PASSWORD).await.expect_err("is refused");
            assert_eq!(status.code(), Code::InvalidArgument, "{text}");
        }
        // A link for one thing is none for another.
        forgot(&world, EMAIL).await.expect("answers");
        let fourth = world.mails(RESET, EMAIL, 4).await[3].token();
        refused(verify(&world, &fourth).await, Reason::InvalidLink);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_from_forgetting_or_resending_who_has_an_account() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        for email in [EMAIL, "sus@example.com"] {
            world.register(email, PASSWORD).await.expect("registers");
            world.mail(VERIFY, email).await;
        }
        let id = world.users.account("sus@example.com").expect("exists").id;
        world.users.status(&id, UserStatus::Suspended);
        world.hush().await;
        for email in [EMAIL, "sus@example.com", "nobody@example.com"] {
            world.statements.forget();
            forgot(&world, email).await.expect("answers");
            let statements = world.statements.of_calls();
            assert_eq!(statements.len(), 1, "{email}: {statements:#?}");
            world.statements.forget();
            let request = ResendVerificationRequest {
                email: email.to_owned(),
            };
            let answer = world.emails().resend_verification(request).await;
            answer.expect("answers");
            assert_eq!(world.statements.of_calls().len(), 1, "{email}");
        }
        world.mail(RESET, EMAIL).await;
        world.mails(VERIFY, EMAIL, 2).await;
        let none = async || world.number("SELECT COUNT(*) FROM mails").await == Some(0);
        world.until("the outbox is empty", none).await;
        for email in ["sus@example.com", "nobody@example.com"] {
            assert!(world.mails_now(RESET, email).is_empty(), "{email}");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_verified_by_the_link_that_a_registration_sends() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        let token = world.mail(VERIFY, EMAIL).await.token();
        world.users.stop();
        refused(verify(&world, &token).await, Reason::Unavailable);
        world.users.start();
        world.users.lose_answers(true);
        refused(verify(&world, &token).await, Reason::Unavailable);
        world.users.lose_answers(false);
        verify(&world, &token).await.expect("verifies");
        assert!(world.users.account(EMAIL).expect("exists").email_verified);
        refused(verify(&world, &token).await, Reason::InvalidLink);

        // Whoever registers with an address that is taken is told nothing; its owner is.
        world.register(EMAIL, NEW_PASSWORD).await.expect("answers");
        let told = world.mail("You have an account already", EMAIL).await;
        assert!(!told.text.contains("token="), "{}", told.text);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_addresses_have_to_be_verified_nobody_learns_which_are_free() {
    for database in portico_testing::databases() {
        let setting = Setting::new().with("AUTH__REQUIRE_VERIFIED_EMAIL", "true");
        let world = setting.start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        let token = world.mail(VERIFY, EMAIL).await.token();
        let free = world.login(EMAIL, PASSWORD).await;
        let free = refused(free, Reason::InvalidCredentials);
        let stranger = world.login("nobody@example.com", PASSWORD).await;
        let stranger = refused(stranger, Reason::InvalidCredentials);
        assert_eq!(
            (free.message(), free.details()),
            (stranger.message(), stranger.details())
        );
        verify(&world, &token).await.expect("verifies");
        world.login(EMAIL, PASSWORD).await.expect("signs in");

        let admin = "admin@localhost";
        assert!(
            world
                .auth
                .bootstrap_admin(admin, PASSWORD)
                .await
                .expect("made")
        );
        world.login(admin, PASSWORD).await.expect("signs in");
        world.stop().await;
    }
}

/// Neither a stolen token nor a known password moves the account of somebody who has a factor.
#[tokio::test(flavor = "multi_thread")]
async fn another_address_asks_for_the_factor_of_who_has_one() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let stolen = world.ada().await.access_token;
        let owner = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let (application, _) = world.with_application(&owner.access_token).await;
        let ask = async |token: &str| {
            let request = ChangeEmailRequest {
                new_email: "new@example.com".to_owned(),
                password: PASSWORD.to_owned(),
            };
            let request = bearing(token, request);
            world.emails().change_email(request).await.map(drop)
        };
        for token in [&stolen, &owner.access_token] {
            refused(ask(token).await, Reason::StepUpRequired);
        }
        world.hand.advance(Duration::from_secs(30));
        let code = world.code(&application);
        let request = bearing(&owner.access_token, VerifyFactorRequest { code });
        let proved = world.mfa().verify_factor(request).await.expect("proves");
        ask(&proved.into_inner().access_token).await.expect("asks");
        world
            .mail("Confirm your new e-mail address", "new@example.com")
            .await;
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_is_confirmed_at_the_new_one_and_told_to_the_old() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let tokens = world.ada().await;
        world
            .register("bob@example.com", PASSWORD)
            .await
            .expect("registers");
        let ask = async |new: &str, password: &str| {
            let request = ChangeEmailRequest {
                new_email: new.to_owned(),
                password: password.to_owned(),
            };
            let request = bearing(&tokens.access_token, request);
            world.emails().change_email(request).await.map(drop)
        };
        let wrong = ask("new@example.com", NEW_PASSWORD).await;
        refused(wrong, Reason::InvalidCredentials);
        ask("new@example.com", PASSWORD).await.expect("asks");
        let confirm = "Confirm your new e-mail address";
        let token = world.mail(confirm, "new@example.com").await.token();
        world
            .mail("Your e-mail address is to be changed", EMAIL)
            .await;
        world
            .login(EMAIL, PASSWORD)
            .await
            .expect("is the address still");
        forgot(&world, EMAIL).await.expect("answers");
        let old = world.mail(RESET, EMAIL).await.token();

        verify(&world, &token).await.expect("changes");
        world
            .login("new@example.com", PASSWORD)
            .await
            .expect("signs in");
        refused(
            world.login(EMAIL, PASSWORD).await,
            Reason::InvalidCredentials,
        );
        world.mail("Your e-mail address was changed", EMAIL).await;
        // A link that went to the old address opens nothing any more.
        refused(reset(&world, &old, NEW_PASSWORD).await, Reason::InvalidLink);

        // An address of somebody else: the answer is the same, and its owner gets a word.
        ask("bob@example.com", PASSWORD).await.expect("asks");
        world
            .mail("You have an account already", "bob@example.com")
            .await;
        assert!(world.mails_now(confirm, "bob@example.com").is_empty());
        world.stop().await;
    }
}

/// Somebody else may have asked for it, and see to it that the mail arrives after the password was changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_takes_back_a_mail_that_would_move_the_account() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__SMTP_URL", "smtp://127.0.0.1:1")
            .with("AUTH__REQUIRE_VERIFIED_EMAIL", "false")
            .start(&database.url)
            .await;
        let token = world.ada().await.access_token;
        let request = ChangeEmailRequest {
            new_email: "x@evil.example".to_owned(),
            password: PASSWORD.to_owned(),
        };
        let asked = world.emails().change_email(bearing(&token, request)).await;
        asked.expect("asks");
        let waiting = "SELECT COUNT(*) FROM mails WHERE kind = 'new_address'";
        assert_eq!(world.number(waiting).await, Some(1));
        let request = ChangePasswordRequest {
            old_password: PASSWORD.to_owned(),
            new_password: NEW_PASSWORD.to_owned(),
        };
        let request = bearing(&token, request);
        let changed = world.passwords().change_password(request).await;
        changed.expect("changes");
        assert_eq!(world.number(waiting).await, Some(0));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_the_password_needs_the_old_one_and_ends_the_other_sessions() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let here = world.ada().await;
        let there = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let change = async |old: &str, new: &str| {
            let request = ChangePasswordRequest {
                old_password: old.to_owned(),
                new_password: new.to_owned(),
            };
            let request = bearing(&here.access_token, request);
            let answer = world.passwords().change_password(request).await?;
            Ok::<_, Status>(answer.into_inner().revoked_count)
        };
        refused(
            change(NEW_PASSWORD, NEW_PASSWORD).await,
            Reason::InvalidCredentials,
        );
        refused(
            change(PASSWORD, "password123").await,
            Reason::InvalidArgument,
        );
        assert_eq!(change(PASSWORD, NEW_PASSWORD).await.expect("changes"), 1);
        refused(
            world.refresh(&there.refresh_token).await,
            Reason::InvalidGrant,
        );
        world
            .refresh(&here.refresh_token)
            .await
            .expect("this session goes on");
        world.login(EMAIL, NEW_PASSWORD).await.expect("signs in");
        let told = world.mail("Your password was changed", EMAIL).await;
        assert!(!told.text.contains(NEW_PASSWORD));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_on_a_device_that_is_not_known_is_told_once() {
    let database = &portico_testing::databases()[0];
    let world = World::start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    let token = world.mail(VERIFY, EMAIL).await.token();
    let first = world.login(EMAIL, PASSWORD).await.expect("signs in");
    verify(&world, &token).await.expect("verifies");
    let notice = "New sign-in to your account";
    let known = world.login_on(&first.device_token, "", EMAIL, PASSWORD);
    known.await.expect("signs in");
    assert!(
        world.mails_now(notice, EMAIL).is_empty(),
        "the device is known"
    );
    world.login(EMAIL, PASSWORD).await.expect("signs in");
    world.login(EMAIL, PASSWORD).await.expect("signs in");
    world.mail(notice, EMAIL).await;
    let none = async || world.number("SELECT COUNT(*) FROM mails").await == Some(0);
    world.until("the outbox is empty", none).await;
    assert_eq!(world.mails_now(notice, EMAIL).len(), 1);
    world.stop().await;
}

/// Whoever knows the old password may have begun to sign in before it was replaced, and end after that.
#[tokio::test(flavor = "multi_thread")]
async fn no_sign_in_that_was_under_way_outlives_the_old_password() {
    for database in portico_testing::databases() {
        let setting = Setting::new()
            .with("AUTH__HASHING_THREADS", "1")
            .with("AUTH__ARGON2_MEMORY_KIB", "65536");
        let world = setting.start(&database.url).await;
        world.ada().await;
        forgot(&world, EMAIL).await.expect("answers");
        let token = world.mail(RESET, EMAIL).await.token();
        // The reset is the first to get the one thread that hashes; those who sign in have seen the old
        // hash by then, and wait behind it.
        let resetting = async {
            reset(&world, &token, NEW_PASSWORD).await.expect("resets");
        };
        let signing_in = async {
            world
                .until("the reset hashes", async || {
                    world.statements.ran("FROM links")
                })
                .await;
            let calls = (0..8).map(|_| world.login(EMAIL, PASSWORD));
            futures_join(calls).await
        };
        let ((), answers) = tokio::join!(resetting, signing_in);
        for tokens in answers.into_iter().flatten() {
            let refreshed = world.refresh(&tokens.refresh_token).await;
            refused(refreshed, Reason::InvalidGrant);
        }
        let open = "SELECT COUNT(*) FROM sessions WHERE revoke_time IS NULL";
        assert_eq!(world.number(open).await, Some(0), "{}", database.name);
        world.login(EMAIL, NEW_PASSWORD).await.expect("signs in");
        world.stop().await;
    }
}
