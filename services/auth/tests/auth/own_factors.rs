//! Changing factors.

use std::time::Duration;

use portico_proto::{
    auth::v1::{
        DeleteTotpRequest, GetMfaRequest, RegenerateRecoveryCodesRequest, ResetMfaRequest,
        VerifyFactorRequest,
    },
    error::Reason,
};
use tonic::Status;

use crate::support::{
    Authenticator, EMAIL, MASTER_KEY, OTHER_MASTER_KEY, PASSWORD, Setting, World, bearing, claims,
};

const HOUR: Duration = Duration::from_hours(1);

fn is<T: std::fmt::Debug>(answer: Result<T, Status>, reason: Reason) {
    let status = answer.expect_err("is refused");
    assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
}

async fn regenerate(world: &World, token: &str) -> Result<Vec<String>, Status> {
    let request = bearing(token, RegenerateRecoveryCodesRequest {});
    let answer = world.mfa().regenerate_recovery_codes(request).await?;
    Ok(answer.into_inner().recovery_codes)
}

async fn remove(world: &World, token: &str) -> Result<(), Status> {
    let request = bearing(token, DeleteTotpRequest {});
    world.mfa().delete_totp(request).await.map(|_| ())
}

async fn prove(world: &World, token: &str, code: &str) -> Result<String, Status> {
    let code = code.to_owned();
    let request = bearing(token, VerifyFactorRequest { code });
    let answer = world.mfa().verify_factor(request).await?.into_inner();
    assert_eq!(answer.refresh_token, "");
    Ok(answer.access_token)
}

async fn reset(world: &World, token: &str, user_id: &str) -> Result<(), Status> {
    let user_id = user_id.to_owned();
    let request = bearing(token, ResetMfaRequest { user_id });
    world.mfa().reset_mfa(request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_shown_once_in_every_form_that_applications_read() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__TOTP_ISSUER", "Acme Ltd")
            .start(&database.url)
            .await;
        let tokens = world.ada().await;
        let made = world.enroll(&tokens.access_token).await.expect("enrols");
        assert_eq!(made.secret.len(), 32, "160 bits");
        let label = "otpauth://totp/Acme%20Ltd:ada%40example.com?secret=";
        assert_eq!(
            made.uri,
            format!(
                "{label}{}&issuer=Acme%20Ltd&algorithm=SHA1&digits=6&period=30",
                made.secret
            )
        );
        assert!(made.qr_svg.starts_with("<?xml"), "{}", &made.qr_svg[..60]);

        // Until it is confirmed, nothing has changed.
        world.login(EMAIL, PASSWORD).await.expect("signs in");
        let again = world.enroll(&tokens.access_token).await.expect("enrols");
        assert_ne!(again.secret, made.secret);
        let old = world.code(&Authenticator::new(&made.secret));
        is(
            world.confirm(&tokens.access_token, &old).await,
            Reason::InvalidCode,
        );
        let code = world.code(&Authenticator::new(&again.secret));
        let codes = world.confirm(&tokens.access_token, &code).await;
        assert_eq!(codes.expect("confirms").len(), 10);
        is(
            world.confirm(&tokens.access_token, &code).await,
            Reason::InvalidGrant,
        );
        let token = world.challenge().await.token;
        is(world.verify_mfa(&token, &code).await, Reason::InvalidCode);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_secret_takes_five_codes_and_ten_minutes() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let token = world.ada().await.access_token;
        let made = world.enroll(&token).await.expect("enrols");
        let application = Authenticator::new(&made.secret);
        let right = world.code(&application);
        let wrong = if right == "000000" {
            "000001"
        } else {
            "000000"
        };
        for _ in 0..5 {
            is(world.confirm(&token, wrong).await, Reason::InvalidCode);
        }
        is(world.confirm(&token, &right).await, Reason::InvalidGrant);

        let made = world.enroll(&token).await.expect("enrols");
        world.hand.advance(Duration::from_secs(599));
        let code = world.code(&Authenticator::new(&made.secret));
        world.hand.advance(Duration::from_secs(2));
        is(world.confirm(&token, &code).await, Reason::InvalidGrant);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_ask_for_a_recent_proof() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__ACCESS_TOKEN_TTL_SECONDS", "86400")
            .start(&database.url)
            .await;
        let token = world.ada().await.access_token;
        let elsewhere = world.login(EMAIL, PASSWORD).await.expect("signs in");
        is(regenerate(&world, &token).await, Reason::MfaNotEnrolled);
        is(
            prove(&world, &token, "123456").await,
            Reason::MfaNotEnrolled,
        );
        world.hand.advance(HOUR);
        is(world.enroll(&token).await, Reason::StepUpRequired);
        let before = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let (application, first) = world.with_application(&before.access_token).await;
        let token = world.refresh(&before.refresh_token).await;
        let token = token.expect("says what was proved").access_token;

        // A session from before has proved a password alone, however lately, and a token from before says so.
        let elsewhere = elsewhere.access_token;
        for refused in [&elsewhere, &before.access_token] {
            is(regenerate(&world, refused).await, Reason::StepUpRequired);
            is(remove(&world, refused).await, Reason::StepUpRequired);
            is(world.enroll(refused).await, Reason::StepUpRequired);
        }
        let second = regenerate(&world, &token).await.expect("is recent");
        assert!(second.iter().all(|code| !first.contains(code)));
        world.hand.advance(HOUR);
        is(regenerate(&world, &token).await, Reason::StepUpRequired);
        is(remove(&world, &token).await, Reason::StepUpRequired);

        let code = world.code(&application);
        let proved = prove(&world, &elsewhere, &code).await.expect("proves");
        assert_eq!(claims(&proved)["acr"], "aal2");
        assert_eq!(claims(&proved)["auth_time"], world.now().timestamp());
        is(prove(&world, &token, &code).await, Reason::InvalidCode);
        let challenge = world.challenge().await.token;
        is(
            world.verify_mfa(&challenge, &first[0]).await,
            Reason::InvalidCode,
        );
        // Somebody may have stolen it before.
        is(remove(&world, &elsewhere).await, Reason::StepUpRequired);
        remove(&world, &proved).await.expect("is recent");
        remove(&world, &proved).await.expect("none is left");
        world
            .login(EMAIL, PASSWORD)
            .await
            .expect("a password is enough again");
        let challenged = world.verify_mfa(&challenge, &second[0]).await;
        is(challenged, Reason::InvalidGrant);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_replaced_when_the_new_one_is_confirmed() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let ada = world.ada().await;
        let (old, codes) = world.with_application(&ada.access_token).await;
        let token = world.refresh(&ada.refresh_token).await;
        let token = token.expect("says what was proved").access_token;
        let made = world.enroll(&token).await.expect("enrols");
        let challenge = world.challenge().await.token;
        let code = world.code(&old);
        world
            .verify_mfa(&challenge, &code)
            .await
            .expect("the old one goes on");
        world.hand.advance(Duration::from_secs(30));
        let new = Authenticator::new(&made.secret);
        let more = world.confirm(&token, &world.code(&new)).await;
        assert!(more.expect("confirms").is_empty(), "the codes stay");
        world.hand.advance(Duration::from_secs(30));
        let challenge = world.challenge().await.token;
        let code = world.code(&old);
        is(
            world.verify_mfa(&challenge, &code).await,
            Reason::InvalidCode,
        );
        let code = world.code(&new);
        world.verify_mfa(&challenge, &code).await.expect("signs in");
        let challenge = world.challenge().await.token;
        world
            .verify_mfa(&challenge, &codes[0])
            .await
            .expect("signs in");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_a_role_demands_stays() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__MFA_REQUIRED_ROLES", "user")
            .start(&database.url)
            .await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        assert_eq!(world.challenge().await.methods, ["enroll"]);
        world.stop().await;

        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        let token = world.login(EMAIL, PASSWORD).await.expect("signs in");
        let token = token.access_token;
        world.with_application(&token).await;
        world.stop().await;
        let setting = setting.with("AUTH__MFA_REQUIRED_ROLES", "user");
        let world = setting.start(&database.url).await;
        is(remove(&world, &token).await, Reason::MfaRequired);
        let request = bearing(&token, GetMfaRequest::default());
        let mfa = world.mfa().get_mfa(request).await.expect("answers");
        assert!(mfa.into_inner().required);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_takes_lost_factors_away() {
    for database in portico_testing::databases() {
        let world = Setting::new()
            .with("AUTH__ACCESS_TOKEN_TTL_SECONDS", "86400")
            .start(&database.url)
            .await;
        let ada = world.ada().await;
        world.with_application(&ada.access_token).await;
        let id = world.users.account(EMAIL).expect("exists").id;
        let root = "root@example.com";
        world.register(root, PASSWORD).await.expect("registers");
        let root_id = world.users.account(root).expect("exists").id;
        let plain = world.login(root, PASSWORD).await.expect("signs in");
        is(
            reset(&world, &plain.access_token, &id).await,
            Reason::InsufficientScope,
        );
        world.users.change(&root_id, |user| {
            user.roles = vec!["admin".to_owned()];
        });
        world.caught_up().await;
        let admin = world.login(root, PASSWORD).await.expect("signs in");
        let admin = admin.access_token;
        let key = world.create_key(&admin, &["users:write", "sessions:write"]);
        let key = world.exchange(&key.await.expect("creates").secret).await;
        let key = key.expect("exchanges").access_token;
        for own in [&admin, &key] {
            is(reset(&world, own, &root_id).await, Reason::InvalidArgument);
        }
        let nobody = "0190a5f0-0000-7000-8000-00000000dead";
        is(reset(&world, &admin, nobody).await, Reason::UserNotFound);
        world.hand.advance(HOUR);
        is(reset(&world, &admin, &id).await, Reason::StepUpRequired);
        let admin = world.login(root, PASSWORD).await.expect("signs in");
        reset(&world, &admin.access_token, &id)
            .await
            .expect("is recent");

        is(
            world.refresh(&ada.refresh_token).await,
            Reason::InvalidGrant,
        );
        let tokens = world.login(EMAIL, PASSWORD).await.expect("signs in");
        assert!(tokens.challenge.is_none());
        let user_id = id.clone();
        let look = |token: &str| {
            bearing(
                token,
                GetMfaRequest {
                    user_id: user_id.clone(),
                },
            )
        };
        let seen = world.mfa().get_mfa(look(&admin.access_token)).await;
        assert!(!seen.expect("an administrator sees").into_inner().totp);
        is(
            world.mfa().get_mfa(look(&plain.access_token)).await,
            Reason::InsufficientScope,
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_encrypted_anew_under_a_new_master_key() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let world = setting.start(&database.url).await;
        let token = world.ada().await.access_token;
        let (application, _) = world.with_application(&token).await;
        world.stop().await;
        let both = format!("{OTHER_MASTER_KEY},{MASTER_KEY}");
        let setting = setting.with("AUTH__MASTER_KEY", both);
        let world = setting.start(&database.url).await;
        let done = async || {
            let factors = world.statements.ran("UPDATE totp_factors SET sealed");
            factors && world.statements.ran("UPDATE signing_keys SET sealed")
        };
        world.until("the secrets are encrypted anew", done).await;
        world.stop().await;
        let setting = setting.with("AUTH__MASTER_KEY", OTHER_MASTER_KEY);
        let world = setting.start(&database.url).await;
        let challenge = world.challenge().await.token;
        let code = world.code(&application);
        world.verify_mfa(&challenge, &code).await.expect("signs in");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_of_every_change() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let ada = world.ada().await;
        world.with_application(&ada.access_token).await;
        let token = world.refresh(&ada.refresh_token).await;
        let token = token.expect("says what was proved").access_token;
        let added = "A second factor was added to your account";
        let told = world.mail(added, EMAIL).await;
        assert!(!told.text.contains("otpauth"), "{}", told.text);
        let codes = regenerate(&world, &token).await.expect("is recent");
        let told = world.mail("Your recovery codes were replaced", EMAIL).await;
        assert!(codes.iter().all(|code| !told.text.contains(code)));
        remove(&world, &token).await.expect("is recent");
        let removed = "The second factor of your account was removed";
        world.mail(removed, EMAIL).await;
        remove(&world, &token).await.expect("none is left");

        world.with_application(&token).await;
        world.mails(added, EMAIL, 2).await;
        let id = world.users.account(EMAIL).expect("exists").id;
        let root = "root@example.com";
        world
            .auth
            .bootstrap_admin(root, PASSWORD)
            .await
            .expect("is made");
        let admin = world.login(root, PASSWORD).await.expect("signs in");
        reset(&world, &admin.access_token, &id)
            .await
            .expect("is recent");
        let told = world.mails(removed, EMAIL, 2).await;
        assert_eq!(told.len(), 2, "removing nothing is nothing to tell");
        assert!(told[1].text.contains("administrator"), "{}", told[1].text);
        assert!(world.mails_now(removed, root).is_empty());
        world.stop().await;
    }
}
