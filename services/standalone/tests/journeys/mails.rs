//! What people do with the links that come by mail. Where mails go to people, nobody reads them here.

use std::{fs, path::Path};

use serde_json::json;

use crate::world::{PASSWORD, World};

const NEW_PASSWORD: &str = "quite another passphrase";

pub async fn a_forgotten_password_is_replaced_by_a_link_in_a_mail(world: &World) {
    let Some(folder) = world.mail_folder() else {
        return;
    };
    let client = world.client();
    let person = world.person().await;
    let forgot = |email: &str| {
        let body = json!({ "email": email });
        client.post("/api/v1/auth/password:forgot", body).send()
    };
    let unknown = forgot(&world.fresh_email()).await;
    let known = forgot(&person.email).await;
    known.status(200);
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
    let token = token(world, &folder, "Choose a new password", &person.email).await;

    let reset = |token: &str, password: &str| {
        let body = json!({ "token": token, "newPassword": password });
        client.post("/api/v1/auth/password:reset", body).send()
    };
    reset("nonsense", NEW_PASSWORD)
        .await
        .problem(400, "INVALID_LINK");
    reset(&token, "password1")
        .await
        .names(400, "INVALID_ARGUMENT", "newPassword");
    let done = reset(&token, NEW_PASSWORD).await.ok();
    assert!(done["deviceToken"].is_string(), "{done}");
    assert!(done["accessToken"].is_null(), "a reset signs nobody in");
    reset(&token, NEW_PASSWORD)
        .await
        .problem(400, "INVALID_LINK");

    let me = client.get("/api/v1/users/me").bearer(&person.tokens.access);
    me.send().await.problem(401, "SESSION_REVOKED");
    client
        .login(&person.email, PASSWORD)
        .await
        .problem(401, "INVALID_CREDENTIALS");
    client.login(&person.email, NEW_PASSWORD).await.tokens();
}

pub async fn an_address_is_verified_and_changed_by_links_in_mails(world: &World) {
    let Some(folder) = world.mail_folder() else {
        return;
    };
    let client = world.client();
    let person = world.person().await;
    let me = || {
        client
            .get("/api/v1/users/me")
            .bearer(&person.tokens.access)
            .send()
    };
    let verify = |token: &str| {
        let body = json!({ "token": token });
        client.post("/api/v1/auth/email:verify", body).send()
    };
    assert_ne!(me().await.ok()["emailVerified"], true);
    let first = token(world, &folder, "Verify your e-mail address", &person.email).await;
    verify(&first).await.ok();
    assert_eq!(me().await.ok()["emailVerified"], true);
    verify(&first).await.problem(400, "INVALID_LINK");

    let new = world.fresh_email();
    let change = |password: &str| {
        let body = json!({ "newEmail": new, "password": password });
        client
            .post("/api/v1/auth/email:change", body)
            .bearer(&person.tokens.access)
            .send()
    };
    change("not the password")
        .await
        .problem(401, "INVALID_CREDENTIALS");
    change(PASSWORD).await.ok();
    let second = token(world, &folder, "Confirm your new e-mail address", &new).await;
    assert_eq!(me().await.ok()["email"], person.email.as_str());
    verify(&second).await.ok();
    let account = me().await.ok();
    assert_eq!(account["email"], new.as_str());
    assert_eq!(account["emailVerified"], true);
    client.login(&new, PASSWORD).await.tokens();
}

pub async fn a_changed_password_ends_the_other_sessions(world: &World) {
    let client = world.client();
    let person = world.person().await;
    assert!(!person.tokens.device.is_empty());
    let elsewhere = client.login(&person.email, PASSWORD).await.tokens();
    let change = |old: &str, new: &str| {
        let body = json!({ "oldPassword": old, "newPassword": new });
        client
            .post("/api/v1/auth/password:change", body)
            .bearer(&person.tokens.access)
            .send()
    };
    change("not the password", NEW_PASSWORD)
        .await
        .problem(401, "INVALID_CREDENTIALS");
    change(PASSWORD, "short")
        .await
        .names(400, "INVALID_ARGUMENT", "newPassword");
    assert_eq!(change(PASSWORD, NEW_PASSWORD).await.ok()["revokedCount"], 1);
    let me = |token: &str| client.get("/api/v1/users/me").bearer(token).send();
    me(&elsewhere.access).await.problem(401, "SESSION_REVOKED");
    me(&person.tokens.access).await.ok();
    client.login(&person.email, NEW_PASSWORD).await.tokens();
}

/// The token of the link in the mail with a subject to an address, when it has come.
async fn token(world: &World, folder: &Path, subject: &str, to: &str) -> String {
    let mut found = None;
    world
        .eventually("the mail has come", async || {
            found = find(folder, subject, to);
            found.is_some()
        })
        .await;
    found.expect("has come")
}

/// The token of the link in the mail with a subject to an address, when it lies in the folder.
pub fn find(folder: &Path, subject: &str, to: &str) -> Option<String> {
    such(folder, subject, to).find_map(|mail| {
        let rest = mail.split("token=").nth(1)?;
        Some(rest.chars().take(43).collect())
    })
}

/// Whether a mail with a subject to an address lies in the folder.
pub fn has(folder: &Path, subject: &str, to: &str) -> bool {
    such(folder, subject, to).next().is_some()
}

fn such(folder: &Path, subject: &str, to: &str) -> impl Iterator<Item = String> {
    let lines = [format!("Subject: {subject}"), format!("To: {to}")];
    let files = fs::read_dir(folder).into_iter().flatten();
    let files = files.filter_map(|entry| Some(entry.ok()?.path()));
    let mails = files.filter(|path| path.extension().is_some_and(|kind| kind == "eml"));
    let mails = mails.filter_map(|path| fs::read_to_string(path).ok());
    mails.filter(move |mail| {
        let has = |line: &String| mail.lines().any(|it| it.trim_end() == line);
        lines.iter().all(has)
    })
}
