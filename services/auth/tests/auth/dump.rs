//! A dump of the whole database after everything that hands out secrets has happened.

use std::fmt::Write;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use portico_proto::auth::v1::{ChangeEmailRequest, TokenResponse};
use ring::digest;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::{
    mails::{RESET, VERIFY, forgot},
    support::{EMAIL, MASTER_KEY, PASSWORD, Setting, World, bearing, bytes},
};

/// What a secret is, and the secret.
type Named = (&'static str, Vec<u8>);

/// Every table's every column, as text and as bytes.
async fn dump(world: &World) -> Vec<u8> {
    let backend = world.db.get_database_backend();
    let sqlite = backend == DbBackend::Sqlite;
    let query = async |sql: String| {
        let statement = Statement::from_string(backend, sql);
        world.db.query_all_raw(statement).await.expect("reads")
    };
    let tables = query(if sqlite {
        "SELECT name FROM sqlite_master WHERE type = 'table'".to_owned()
    } else {
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'"
            .to_owned()
    })
    .await;
    let mut dump = Vec::new();
    for table in tables {
        let table: String = table.try_get_by_index(0).expect("a name");
        let columns = query(if sqlite {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name::text FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name = '{table}'"
            )
        })
        .await;
        for column in columns {
            let column: String = column.try_get_by_index(0).expect("a name");
            let sql = if sqlite {
                format!("SELECT hex(CAST(\"{column}\" AS BLOB)) FROM \"{table}\"")
            } else {
                // A column of bytes is written as `\x…` by itself.
                format!("SELECT \"{column}\"::text FROM \"{table}\"")
            };
            for row in query(sql).await {
                let Ok(text) = row.try_get_by_index::<String>(0) else {
                    continue;
                };
                dump.extend(text.as_bytes());
                dump.push(b'\n');
                let hex = if sqlite {
                    Some(text.as_str())
                } else {
                    text.strip_prefix("\\x")
                };
                dump.extend(hex.map(unhex).unwrap_or_default());
                dump.push(b'\n');
            }
        }
    }
    dump
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .filter_map(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok())
        .collect()
}

fn contains(dump: &[u8], part: &[u8]) -> bool {
    dump.windows(part.len()).any(|window| window == part)
}

/// Whether a dump holds a secret as it is, in base64 of either alphabet, or in hexadecimal.
fn reveals(dump: &[u8], secret: &[u8]) -> bool {
    let mut hex = String::new();
    for byte in secret {
        write!(hex, "{byte:02x}").expect("a text takes all");
    }
    let standard = BASE64_STANDARD.encode(secret);
    contains(dump, secret)
        || contains(dump, BASE64_URL_SAFE_NO_PAD.encode(secret).as_bytes())
        || contains(dump, standard.trim_end_matches('=').as_bytes())
        || contains(dump, hex.as_bytes())
        || contains(dump, hex.to_uppercase().as_bytes())
}

/// Whether a dump holds a hash that anybody could make of a secret that can be guessed.
fn reveals_a_plain_hash(dump: &[u8], secret: &[u8]) -> bool {
    [
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        &digest::SHA256,
        &digest::SHA384,
        &digest::SHA512,
    ]
    .into_iter()
    .any(|kind| reveals(dump, digest::digest(kind, secret).as_ref()))
}

/// The tokens of a link of each purpose, none of which is opened.
async fn links(world: &World, token: &str) -> [String; 3] {
    let new_email = "new@example.com";
    let request = ChangeEmailRequest {
        new_email: new_email.to_owned(),
        password: PASSWORD.to_owned(),
    };
    let answer = world.emails().change_email(bearing(token, request)).await;
    answer.expect("asks");
    forgot(world, EMAIL).await.expect("answers");
    let change = world.mail("Confirm your new e-mail address", new_email);
    [
        world.mail(VERIFY, EMAIL).await.token(),
        world.mail(RESET, EMAIL).await.token(),
        change.await.token(),
    ]
}

/// What must not be found of the answer to a sign-in or a refresh.
fn secrets_of(tokens: TokenResponse) -> Vec<Named> {
    let refresh = bytes(&tokens.refresh_token);
    let parts = refresh.chunks(32);
    let mut secrets: Vec<Named> = parts
        .map(|part| ("a refresh token", part.to_vec()))
        .collect();
    secrets.push(("a refresh token", tokens.refresh_token.into_bytes()));
    let (_, signature) = tokens.access_token.rsplit_once('.').expect("parts");
    secrets.push(("an access token", signature.as_bytes().to_vec()));
    // A refresh gives none.
    if !tokens.device_token.is_empty() {
        let device = bytes(&tokens.device_token);
        secrets.push(("a device's name", device[..16].to_vec()));
        secrets.push(("a device's tag", device[24..].to_vec()));
        secrets.push(("a device token", device));
        secrets.push(("a device token", tokens.device_token.into_bytes()));
    }
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_after_a_full_journey_yields_no_secret() {
    for database in portico_testing::databases() {
        let setting = Setting::new();
        let mut tokens = Vec::new();
        let mut secrets: Vec<Named> = vec![
            ("the password", PASSWORD.into()),
            (
                "the master key",
                BASE64_STANDARD.decode(MASTER_KEY).expect("base64"),
            ),
        ];

        let world = setting.start(&database.url).await;
        let first = world.ada().await;
        assert!(!first.device_token.is_empty());
        let links = links(&world, &first.access_token).await;
        let (application, recovery) = world.with_application(&first.access_token).await;
        let proved = world.refresh(&first.refresh_token).await;
        let proved = proved.expect("refreshes");
        let pending = world.enroll(&proved.access_token).await.expect("enrols");
        let challenge = world.challenge().await.token;
        let code = world.code(&application);
        tokens.push(world.verify_mfa(&challenge, &code).await.expect("signs in"));
        tokens.extend([first, proved]);
        let waiting = world.challenge().await.token;

        let by = world.operator().await;
        let (_, secret) = world.client(&by, &["orders:read"]).await;
        secrets.push(("a client's secret", secret.into_bytes()));
        let key = world
            .create_key(&by, &["orders:read"])
            .await
            .expect("creates");
        let token = world.exchange(&key.secret).await.expect("exchanges");
        secrets.push(("an api key", key.secret.into_bytes()));
        let (_, signature) = token.access_token.rsplit_once('.').expect("parts");
        secrets.push(("a key's token", signature.as_bytes().to_vec()));

        secrets.push(("a secret", application.secret().to_vec()));
        secrets.push(("a secret that waits", pending.secret.into_bytes()));
        for token in &links {
            secrets.push(("a link", bytes(token)));
            secrets.push(("a link", token.as_bytes().to_vec()));
        }
        for token in [challenge, waiting] {
            secrets.push(("a challenge", bytes(&token)));
            secrets.push(("a challenge", token.into_bytes()));
        }
        for code in recovery {
            secrets.push(("a recovery code", code.replace('-', "").into_bytes()));
            secrets.push(("a recovery code", code.into_bytes()));
        }
        secrets.extend(tokens.into_iter().flat_map(secrets_of));
        // How the documents of private keys begin (RFC 5958), each with its algorithm.
        for begin in [
            "308187020100301306072a8648ce3d020106082a8648ce3d030107",
            "3051020101300506032b6570",
            "302e020100300506032b6570",
            "020100300d06092a864886f70d010101",
        ] {
            secrets.push(("a private key", unhex(begin)));
        }

        let dump = dump(&world).await;
        // The dump is the database, and what is allowed to be found is found.
        assert!(contains(&dump, EMAIL.as_bytes()));
        let family = secrets
            .iter()
            .find(|(what, part)| *what == "a refresh token" && part.len() == 32);
        let (_, family) = family.expect("there is one");
        let stored = links.iter().map(|token| bytes(token));
        for secret in stored.chain([family.clone()]) {
            let hash = digest::digest(&digest::SHA256, &secret);
            assert!(reveals(&dump, hash.as_ref()), "{}", database.name);
        }

        for (what, secret) in &secrets {
            assert!(!reveals(&dump, secret), "{}: {what}", database.name);
        }
        for guessable in [PASSWORD, &code, EMAIL] {
            assert!(!reveals_a_plain_hash(&dump, guessable.as_bytes()));
        }
        world.stop().await;
    }
}
