//! Second factors, with codes computed here as an application computes them.

use std::time::SystemTime;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    world::{PASSWORD, World},
};

/// An authenticator application.
struct Application(Vec<u8>);

impl Application {
    /// From the secret as it is typed: five bits to a letter.
    fn new(secret: &str) -> Self {
        let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
        for letter in secret.bytes() {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                _ => letter - b'2' + 26,
            };
            bits = ((bits << 5) | u32::from(value)) & 0xfff;
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from((bits >> count) & 0xff).expect("a byte"));
            }
        }
        Self(bytes)
    }

    /// The code of this half minute, or of one that follows.
    fn code(&self, later: u64) -> String {
        let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
        let step = now.as_secs() / 30 + later;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let word: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().expect("four");
        format!(
            "{:06}",
            (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
        )
    }
}

async fn post(client: &Client, path: &str, token: &str, body: Value) -> Answer {
    client.post(path, body).bearer(token).send().await
}

async fn enrol(client: &Client, token: &str) -> (Application, Vec<String>) {
    let made = post(client, "/api/v1/auth/mfa/totp:enroll", token, json!({})).await;
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.ok();
    let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
    assert!(text("uri").starts_with("otpauth://totp/"), "{made}");
    assert!(text("qrSvg").contains("<svg"), "{made}");
    let application = Application::new(&text("secret"));
    let code = json!({ "code": application.code(0) });
    let confirmed = post(client, "/api/v1/auth/mfa/totp:confirm", token, code).await;
    let codes = confirmed.ok()["recoveryCodes"].as_array().cloned();
    let codes: Vec<String> = codes
        .into_iter()
        .flatten()
        .filter_map(|code| code.as_str().map(str::to_owned))
        .collect();
    assert_eq!(codes.len(), 10);
    (application, codes)
}

/// Signs in as far as the password goes.
async fn challenge(client: &Client, email: &str) -> String {
    let answer = client.login(email, PASSWORD).await.ok();
    assert!(
        answer["accessToken"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );
    assert!(
        answer["refreshToken"]
            .as_str()
            .unwrap_or_default()
            .is_empty()
    );
    let challenge = &answer["challenge"];
    assert_eq!(challenge["methods"], json!(["totp", "recovery_code"]));
    assert!(challenge["expireTime"].is_string(), "{answer}");
    challenge["token"].as_str().expect("a token").to_owned()
}

async fn verify(client: &Client, challenge: &str, code: &str) -> Answer {
    let body = json!({ "challengeToken": challenge, "code": code });
    client
        .post("/api/v1/auth/login:verifyMfa", body)
        .send()
        .await
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&payload).expect("JSON")
}

pub async fn a_person_enrols_a_factor_and_signs_in_with_it(world: &World) {
    let client = world.client();
    let person = world.person().await;
    let (application, codes) = enrol(&client, &person.tokens.access).await;

    let first = challenge(&client, &person.email).await;
    verify(&client, &first, "AAAAAA-AAAAAA-AAAAAA-AAAAAA")
        .await
        .problem(401, "INVALID_CODE");
    let tokens = verify(&client, &first, &application.code(1)).await.tokens();
    assert_eq!(claims(&tokens.access)["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(claims(&tokens.access)["acr"], "aal2");
    verify(&client, &first, &codes[0])
        .await
        .problem(401, "INVALID_GRANT");

    let second = challenge(&client, &person.email).await;
    verify(&client, &second, &application.code(0))
        .await
        .problem(401, "INVALID_CODE");
    let tokens = verify(&client, &second, &codes[0]).await.tokens();
    let refreshed = client.refresh(&tokens.refresh).await.tokens();
    assert_eq!(claims(&refreshed.access)["amr"], json!(["pwd", "mfa"]));
    let third = challenge(&client, &person.email).await;
    verify(&client, &third, &codes[0])
        .await
        .problem(401, "INVALID_CODE");

    let token = &refreshed.access;
    let mfa = client.get("/api/v1/auth/mfa").bearer(token).send().await;
    assert_eq!(mfa.ok()["recoveryCodesLeft"], 9);
    let path = "/api/v1/auth/mfa/recovery-codes:regenerate";
    let fresh = post(&client, path, token, json!({})).await.ok();
    assert_eq!(fresh["recoveryCodes"].as_array().map(Vec::len), Some(10));
    verify(&client, &third, &codes[1])
        .await
        .problem(401, "INVALID_CODE");
    client
        .request("DELETE", "/api/v1/auth/mfa/totp")
        .bearer(token)
        .send()
        .await
        .ok();
    client.login(&person.email, PASSWORD).await.tokens();
}

pub async fn an_administrator_takes_a_lost_factor_away(world: &World) {
    let client = world.client();
    let (person, stranger) = (world.person().await, world.person().await);
    enrol(&client, &person.tokens.access).await;
    let path = format!("/api/v1/users/{}/mfa:reset", person.id);
    post(&client, &path, &stranger.tokens.access, json!({}))
        .await
        .problem(403, "INSUFFICIENT_SCOPE");
    let (email, password) = world.admin_credentials();
    let admin = client.login(email, password).await.tokens();
    post(&client, &path, &admin.access, json!({})).await.ok();
    client
        .refresh(&person.tokens.refresh)
        .await
        .problem(401, "INVALID_GRANT");
    client.login(&person.email, PASSWORD).await.tokens();
}
