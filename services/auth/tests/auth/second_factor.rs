//! Signing in with a second factor.

use std::{collections::BTreeSet, time::Duration};

use portico_proto::{
    auth::v1::{
        EnrollMfaRequest, ForgotPasswordRequest, GetMfaRequest, ResetPasswordRequest,
        VerifyEmailRequest,
    },
    error::Reason,
    user::v1::UserStatus,
};
use tonic::Status;
use tonic_types::StatusExt;

use crate::{
    registration::futures_join,
    support::{Authenticator, EMAIL, PASSWORD, Setting, World, bearing, claims},
};

fn is<T: std::fmt::Debug>(answer: Result<T, Status>, reason: Reason) {
    let status = answer.expect_err("is refused");
    assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_asks_for_a_code_and_the_token_says_how_it_went() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let plain = claims(&first.access_token);
        assert_eq!(plain["amr"], serde_json::json!(["pwd"]));
        assert_eq!(plain["acr"], "aal1");
        assert_eq!(plain["auth_time"], world.now().timestamp());
        let (application, codes) = world.with_application(&first.access_token).await;
        assert_eq!(codes.len(), 10);

        world.hush().await;
        let challenge = world.challenge().await;
        assert_eq!(challenge.methods, ["totp", "recovery_code"]);
        let first_half = world.statements.of_calls();
        assert_eq!(first_half.len(), 2, "{first_half:#?}");
        world.statements.forget();
        let code = world.code(&application);
        let tokens = world.verify_mfa(&challenge.token, &code).await;
        let tokens = tokens.expect("signs in");
        let second_half = world.statements.of_calls();
        let sql = second_half.iter().filter(|sql| sql.contains(' ')).count();
        assert_eq!(sql, 6, "{second_half:#?}");

        let at = world.now().timestamp();
        world.hand.advance(Duration::from_mins(5));
        let refreshed = world.refresh(&tokens.refresh_token).await;
        for token in [
            tokens.access_token,
            refreshed.expect("refreshes").access_token,
        ] {
            let claims = claims(&token);
            assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]));
            assert_eq!(claims["acr"], "aal2");
            assert_eq!(claims["auth_time"], at, "the session keeps it");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once_for_whichever_challenge() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let (application, _) = world.with_application(&first.access_token).await;
        let code = world.code(&application);
        let mut challenges = Vec::new();
        for _ in 0..8 {
            challenges.push(world.challenge().await.token);
        }
        let calls = challenges
            .iter()
            .map(|token| world.verify_mfa(token, &code));
        let answers = futures_join(calls).await;
        let good = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(good, 1, "{}: {answers:#?}", database.name);

        // The step before is no way around: it lies behind the one that was used.
        world.hand.advance(Duration::from_hours(1));
        let now = world.now().timestamp();
        let token = world.challenge().await.token;
        world
            .verify_mfa(&token, &application.code(now))
            .await
            .expect("signs in");
        let token = world.challenge().await.token;
        is(
            world.verify_mfa(&token, &application.code(now - 30)).await,
            Reason::InvalidCode,
        );
        world
            .verify_mfa(&token, &application.code(now + 30))
            .await
            .expect("the next step is new");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_good_for_one_sign_in_five_codes_and_five_minutes() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let (application, recovery) = world.with_application(&first.access_token).await;

        let used = world.challenge().await.token;
        let code = world.code(&application);
        world.verify_mfa(&used, &code).await.expect("signs in");
        is(
            world.verify_mfa(&used, &recovery[0]).await,
            Reason::InvalidGrant,
        );

        let tried = world.challenge().await.token;
        for n in 0..5 {
            let wrong = format!("AAAAAA-AAAAAA-AAAAAA-AAAAA{}", n + 2);
            is(world.verify_mfa(&tried, &wrong).await, Reason::InvalidCode);
        }
        is(
            world.verify_mfa(&tried, &recovery[0]).await,
            Reason::InvalidGrant,
        );

        let late = world.challenge().await.token;
        world.hand.advance(Duration::from_secs(301));
        let code = world.code(&application);
        is(world.verify_mfa(&late, &code).await, Reason::InvalidGrant);
        for token in ["x", "", &"A".repeat(43), &used] {
            world
                .verify_mfa(token, &code)
                .await
                .expect_err("opens nothing");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_bounded_over_all_challenges_and_a_recovery_code_still_opens() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let (application, recovery) = world.with_application(&first.access_token).await;
        let right = world.code(&application);
        let wrong = if right == "000000" {
            "000001"
        } else {
            "000000"
        };

        // Thirty at once, each with a challenge of its own: no more than five are looked at.
        let mut challenges = Vec::new();
        for _ in 0..30 {
            challenges.push(world.challenge().await.token);
        }
        let calls = challenges
            .iter()
            .map(|token| world.verify_mfa(token, wrong));
        let answers = futures_join(calls).await;
        let mut looked_at = 0;
        for answer in answers {
            let status = answer.expect_err("is refused");
            match Reason::of(&status) {
                Some(Reason::InvalidCode) => looked_at += 1,
                reason => {
                    assert_eq!(reason, Some(Reason::TooManyAttempts));
                    let retry = status.get_details_retry_info();
                    let delay = retry.and_then(|info| info.retry_delay);
                    assert_eq!(delay, Some(Duration::from_mins(1)));
                }
            }
        }
        assert_eq!(looked_at, 5, "{}", database.name);

        let token = world.challenge().await.token;
        is(
            world.verify_mfa(&token, &right).await,
            Reason::TooManyAttempts,
        );
        world
            .verify_mfa(&token, &recovery[3])
            .await
            .expect("a recovery code opens");
        world.hand.advance(Duration::from_secs(61));
        let token = world.challenge().await.token;
        let code = world.code(&application);
        world
            .verify_mfa(&token, &code)
            .await
            .expect("the pause is over");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_once_and_says_so() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let (_, recovery) = world.with_application(&first.access_token).await;
        let distinct: BTreeSet<_> = recovery.iter().collect();
        assert_eq!(distinct.len(), 10);

        let typed = recovery[0].to_lowercase().replace('-', " ");
        let token = world.challenge().await.token;
        let tokens = world.verify_mfa(&token, &typed).await.expect("signs in");
        let claims = claims(&tokens.access_token);
        assert_eq!(claims["amr"], serde_json::json!(["pwd", "mfa"]));
        assert_eq!(claims["acr"], "aal2");
        let token = world.challenge().await.token;
        is(
            world.verify_mfa(&token, &recovery[0]).await,
            Reason::InvalidCode,
        );
        let request = bearing(&tokens.access_token, GetMfaRequest::default());
        let mfa = world.mfa().get_mfa(request).await.expect("answers");
        let mfa = mfa.into_inner();
        assert_eq!((mfa.totp, mfa.recovery_codes_left), (true, 9));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_is_let_in_by_no_code() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let (application, _) = world.with_application(&first.access_token).await;
        let token = world.challenge().await.token;
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.status(&id, UserStatus::Suspended);
        world.caught_up().await;
        let code = world.code(&application);
        is(world.verify_mfa(&token, &code).await, Reason::InvalidGrant);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_demands_a_factor_lets_nobody_in_without() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__MFA_REQUIRED_ROLES", "auditor, admin")
            .start(&database.url)
            .await;
        let before = world.ada().await;
        let id = world.users.account(EMAIL).expect("exists").id;
        world.users.change(&id, |user| {
            user.roles = vec!["user".to_owned(), "admin".to_owned()];
        });
        world.caught_up().await;
        is(
            world.refresh(&before.refresh_token).await,
            Reason::InvalidGrant,
        );

        let challenge = world.challenge().await;
        assert_eq!(challenge.methods, ["enroll"]);
        let other = world.challenge().await;
        is(
            world.verify_mfa(&challenge.token, "000000").await,
            Reason::InvalidGrant,
        );
        let enroll = async |token: &str| {
            let challenge_token = token.to_owned();
            let request = EnrollMfaRequest { challenge_token };
            world.mfa().enroll_mfa(request).await
        };
        let made = enroll(&challenge.token).await.expect("gives a secret");
        let application = Authenticator::new(&made.into_inner().secret);
        let code = world.code(&application);
        let tokens = world.verify_mfa(&challenge.token, &code).await;
        let tokens = tokens.expect("enrols and signs in");
        assert_eq!(claims(&tokens.access_token)["acr"], "aal2");
        world.refresh(&tokens.refresh_token).await.expect("goes on");

        // Whoever else got as far as the password cannot put a secret of their own in its place.
        is(enroll(&other.token).await, Reason::InvalidGrant);
        is(enroll(&challenge.token).await, Reason::InvalidGrant);
        assert_eq!(world.challenge().await.methods, ["totp", "recovery_code"]);
        let again = world.challenge().await;
        is(enroll(&again.token).await, Reason::InvalidGrant);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_never_answered_with_a_challenge() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        world.with_application(&first.access_token).await;
        is(
            world.login(EMAIL, "not the password").await,
            Reason::InvalidCredentials,
        );
        let answer = world.login(EMAIL, PASSWORD).await.expect("is answered");
        assert!(answer.challenge.is_some());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_no_way_around_the_second_factor() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let (application, _) = world.with_application(&first.access_token).await;
        let waiting = world.challenge().await.token;
        let email = EMAIL.to_owned();
        let forgot = ForgotPasswordRequest { email };
        let answer = world.passwords().forgot_password(forgot).await;
        answer.expect("answers");
        let token = world.mail("Choose a new password", EMAIL).await.token();
        let reset = ResetPasswordRequest {
            token,
            new_password: "another good password".to_owned(),
        };
        let answer = world.passwords().reset_password(reset).await;
        answer.expect("resets");

        // What began with the old password ends, and the new one opens half of the door.
        let code = world.code(&application);
        is(
            world.verify_mfa(&waiting, &code).await,
            Reason::InvalidGrant,
        );
        let half = world.login(EMAIL, "another good password").await;
        let half = half.expect("is answered");
        assert_eq!(
            (half.access_token.as_str(), half.refresh_token.as_str()),
            ("", "")
        );
        let challenge = half.challenge.expect("asks for the factor");
        assert_eq!(challenge.methods, ["totp", "recovery_code"]);
        let whole = world.verify_mfa(&challenge.token, &code).await;
        whole.expect("signs in");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_that_somebody_knows_the_password() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let first = world.ada().await;
        let verify = world.mail("Verify your e-mail address", EMAIL).await;
        let token = verify.token();
        let answer = world
            .emails()
            .verify_email(VerifyEmailRequest { token })
            .await;
        answer.expect("verifies");
        world.with_application(&first.access_token).await;
        let told = "Your password was used";
        let known = world
            .login_on(&first.device_token, "", EMAIL, PASSWORD)
            .await;
        known.expect("is asked").challenge.expect("for the factor");
        assert!(
            world.mails_now(told, EMAIL).is_empty(),
            "the device is known"
        );
        world.challenge().await;
        world.challenge().await;
        world.mail(told, EMAIL).await;
        let none = async || world.number("SELECT COUNT(*) FROM mails").await == Some(0);
        world.until("the outbox is empty", none).await;
        assert_eq!(world.mails_now(told, EMAIL).len(), 1);
        world.stop().await;
    }
}
