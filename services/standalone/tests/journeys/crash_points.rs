//! The standalone dies at marked points of its work and is started again.
//!
//! `services/auth/src/crash.rs` says what such a point is. Each test has a data folder of its own.

use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Duration, Instant, sleep};

use crate::{
    client::{Client, Tokens},
    mails,
    restart::Standalone,
    world::PASSWORD,
};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const NEW_PASSWORD: &str = "quite another passphrase";

/// A system on a folder that has Ada, who is signed in, and has been stopped.
struct Before {
    folder: TempDir,
    tokens: Tokens,
}

impl Before {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let system = Standalone::start(&folder.path().join("data")).await;
        system.client.register(ADA, PASSWORD).await.ok();
        let tokens = system.client.login(ADA, PASSWORD).await.tokens();
        system.process.kill();
        Self { folder, tokens }
    }

    /// Starts the system so that it dies at the point.
    async fn until(&self, point: &str, more: &[(&str, &str)]) -> Standalone {
        let mut settings = vec![("PORTICO_CRASH_AT", point)];
        settings.extend(more);
        Standalone::start_with(&self.folder.path().join("data"), &settings).await
    }

    async fn again(&self) -> Standalone {
        Standalone::start(&self.folder.path().join("data")).await
    }
}

/// Waits until the process has died at its point.
async fn died(system: Standalone, point: &str) {
    let output = system.process.failure().await;
    assert!(
        output.contains(point),
        "died elsewhere than at {point}: {output}"
    );
}

/// Nothing that was acknowledged before is lost.
async fn ada_is_there(client: &Client) -> Tokens {
    client.login(ADA, PASSWORD).await.tokens()
}

async fn soon(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so().await {
        assert!(Instant::now() < deadline, "not within 30 seconds: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// A registration that was answered by nobody is finished by itself or was never begun: whichever it
/// is, the address has one account, and the password that was asked for opens it.
async fn dies_in_registration(point: &str) {
    let before = Before::new().await;
    let system = before.until(point, &[]).await;
    let body = json!({ "email": BOB, "password": PASSWORD });
    let asked = system.client.post("/api/v1/auth/register", body);
    assert!(asked.try_send().await.is_err(), "{point}: answered");
    died(system, point).await;

    let system = before.again().await;
    ada_is_there(&system.client).await;
    let client = &system.client;
    soon(
        &format!("{point}: the registration is finished"),
        async || client.login(BOB, PASSWORD).await.status == 200,
    )
    .await;
    // Asking again is answered as ever, and changes nothing.
    client.register(BOB, NEW_PASSWORD).await.ok();
    let tokens = client.login(BOB, PASSWORD).await.tokens();
    let me = client
        .get("/api/v1/users/me")
        .bearer(&tokens.access)
        .send()
        .await;
    assert_eq!(me.ok()["email"], BOB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_was_noted_is_finished() {
    dies_in_registration("register.noted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_whose_account_was_created_is_finished() {
    dies_in_registration("register.provisioned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_was_about_to_be_stored_is_finished() {
    dies_in_registration("register.finishing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_was_stored_stands() {
    dies_in_registration("register.finished").await;
}

/// The client never got the successor. It asks again with what it has, and the session lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_answer_was_lost_is_answered_again() {
    let before = Before::new().await;
    let grace = [("AUTH__REFRESH_GRACE_SECONDS", "60")];
    let system = before.until("refresh.rotated", &grace).await;
    let body = json!({ "refreshToken": before.tokens.refresh });
    let asked = system.client.post("/api/v1/auth/refresh", body);
    assert!(asked.try_send().await.is_err());
    died(system, "refresh.rotated").await;

    let data = before.folder.path().join("data");
    let system = Standalone::start_with(&data, &grace).await;
    let again = system.client.refresh(&before.tokens.refresh).await.tokens();
    assert_eq!(again.session, before.tokens.session);
    let next = system.client.refresh(&again.refresh).await.tokens();
    let me = system.client.get("/api/v1/users/me").bearer(&next.access);
    me.send().await.ok();
}

/// The family was ended for theft and nobody was told. After the restart everybody knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_ended_for_theft_stays_ended() {
    let before = Before::new().await;
    let system = before.until("refresh.ended", &[]).await;
    let second = system.client.refresh(&before.tokens.refresh).await.tokens();
    sleep(Duration::from_millis(2500)).await;
    let body = json!({ "refreshToken": before.tokens.refresh });
    let asked = system.client.post("/api/v1/auth/refresh", body);
    assert!(asked.try_send().await.is_err());
    died(system, "refresh.ended").await;

    let system = before.again().await;
    let client = &system.client;
    client
        .refresh(&second.refresh)
        .await
        .problem(401, "INVALID_GRANT");
    for access in [&second.access, &before.tokens.access] {
        let me = client.get("/api/v1/users/me").bearer(access).send().await;
        me.problem(401, "SESSION_REVOKED");
    }
    ada_is_there(client).await;
}

impl Before {
    /// Asks for a link by which Ada may choose another password.
    async fn link(&self, client: &Client) -> String {
        let body = json!({ "email": ADA });
        client
            .post("/api/v1/auth/password:forgot", body)
            .send()
            .await
            .ok();
        let folder = self.folder.path().join("data").join("mail");
        let mut link = None;
        soon("the mail has come", async || {
            link = mails::find(&folder, "Choose a new password", ADA);
            link.is_some()
        })
        .await;
        link.expect("has come")
    }

    /// Chooses another password, and dies at the point without an answer.
    async fn dies_in_reset(&self, point: &str) -> String {
        let system = self.until(point, &[]).await;
        let link = self.link(&system.client).await;
        let asked = system
            .client
            .post("/api/v1/auth/password:reset", choosing(&link));
        assert!(asked.try_send().await.is_err(), "{point}: answered");
        died(system, point).await;
        link
    }
}

fn choosing(link: &str) -> serde_json::Value {
    json!({ "token": link, "newPassword": NEW_PASSWORD })
}

/// The password is Ada's new one alone, and what was open before is not any more.
async fn has_the_new_password(client: &Client, before: &Tokens, link: &str) {
    let old = client.login(ADA, PASSWORD).await;
    old.problem(401, "INVALID_CREDENTIALS");
    client.login(ADA, NEW_PASSWORD).await.tokens();
    let me = client.get("/api/v1/users/me").bearer(&before.access);
    me.send().await.problem(401, "SESSION_REVOKED");
    let refreshed = client.refresh(&before.refresh).await;
    refreshed.problem(401, "INVALID_GRANT");
    let again = client.post("/api/v1/auth/password:reset", choosing(link));
    again.send().await.problem(400, "INVALID_LINK");
}

/// Nothing of a reset was stored: everything is as before, and the link still works.
async fn a_reset_has_not_happened(point: &str) {
    let before = Before::new().await;
    let link = before.dies_in_reset(point).await;

    let system = before.again().await;
    let client = &system.client;
    ada_is_there(client).await;
    let wrong = client.login(ADA, NEW_PASSWORD).await;
    wrong.problem(401, "INVALID_CREDENTIALS");
    let me = client.get("/api/v1/users/me").bearer(&before.tokens.access);
    me.send().await.ok();
    let again = client.post("/api/v1/auth/password:reset", choosing(&link));
    again.send().await.ok();
    has_the_new_password(client, &before.tokens, &link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_had_proved_the_address_can_be_repeated() {
    a_reset_has_not_happened("reset.proved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_was_about_to_be_stored_can_be_repeated() {
    a_reset_has_not_happened("reset.finishing").await;
}

/// Nobody was told that the sessions are over, nor that it went well. After the restart all are.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_was_stored_stands() {
    let before = Before::new().await;
    let link = before.dies_in_reset("reset.finished").await;

    let system = before.again().await;
    has_the_new_password(&system.client, &before.tokens, &link).await;
    let folder = before.folder.path().join("data").join("mail");
    soon("the owner is told", async || {
        mails::has(&folder, "Your password was changed", ADA)
    })
    .await;
}

/// The keys rotate every few seconds; the process dies while a new one is stored. Tokens from before and
/// from after the restart are good, and one key signs.
async fn dies_in_rotation(point: &str) {
    let before = Before::new().await;
    let quick = [("AUTH__KEY_ROTATION_SECONDS", "4")];
    // The keys that are there last for a month; a change of the algorithm rotates them.
    let edwards = [quick[0], ("AUTH__SIGNING_ALGORITHM", "EdDSA")];
    let system = before.until(point, &edwards).await;
    died(system, point).await;

    let data = before.folder.path().join("data");
    let system = Standalone::start_with(&data, &edwards).await;
    let client = &system.client;
    let me = client.get("/api/v1/users/me").bearer(&before.tokens.access);
    me.send().await.ok();
    soon(&format!("{point}: another key signs"), async || {
        let tokens = ada_is_there(client).await;
        let me = client.get("/api/v1/users/me").bearer(&tokens.access);
        me.send().await.ok();
        algorithm(&tokens.access) == "EdDSA"
    })
    .await;
    let set = client.get("/.well-known/jwks.json").send().await.ok();
    let keys = set["keys"].as_array().expect("keys").len();
    assert!((2..=4).contains(&keys), "{point}: {set}");
}

fn algorithm(token: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    let header = token.split('.').next().expect("a part");
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("JSON");
    header["alg"].as_str().expect("an algorithm").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_not_stored_is_made_again() {
    dies_in_rotation("keys.adding").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_stored_stands() {
    dies_in_rotation("keys.added").await;
}
