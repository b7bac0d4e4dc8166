//! What is to be kept secret: where it comes from, and that it goes nowhere.

use super::*;

#[test]
fn a_secret_comes_from_a_file_without_its_last_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, format!("{GOOD_KEY}\n")).unwrap();
    let name = path.to_str().unwrap();
    let read = config(Shape::Auth, &[("AUTH__MASTER_KEY_FILE", name)]).unwrap();
    assert_eq!(read.auth.master_key.unwrap().expose(), GOOD_KEY);

    let both = config(
        Shape::Auth,
        &[("AUTH__MASTER_KEY_FILE", name), (KEY, GOOD_KEY)],
    );
    assert!(fault(both).contains("only one may be set"));
}

#[test]
fn a_database_url_knows_the_file_that_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    fs::write(&path, "postgres://u:s3cret@db/x").unwrap();
    let file = ("AUTH__DATABASE_URL_FILE", path.to_str().unwrap());
    let read = config(Shape::Auth, &[file, (KEY, GOOD_KEY)]).unwrap();
    assert_eq!(read.auth.database_url.file(), Some(path.as_path()));
    assert_eq!(read.user.database_url.file(), None);

    // What stands over it came from no file.
    let short = ("DATABASE_URL_FILE", path.to_str().unwrap());
    let full = ("AUTH__DATABASE_URL", "postgres://full/x");
    let read = config(Shape::Auth, &[short, full, (KEY, GOOD_KEY)]).unwrap();
    assert_eq!(read.auth.database_url.file(), None);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = config(Shape::User, &[("DATABASE_URL_FILE", "/nowhere/url")]);
    let fault = fault(error);
    assert!(
        fault.starts_with("variable DATABASE_URL_FILE: cannot read /nowhere/url: "),
        "{fault}"
    );
    let missing = Config::load(
        Shape::User,
        Some(&PathBuf::from("/nowhere/portico.toml")),
        None,
    );
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .contains("cannot read /nowhere/portico.toml")
    );
}

#[test]
fn only_secrets_come_from_files() {
    let fault = fault(config(Shape::Gateway, &[("GATEWAY__LISTEN_FILE", "/x")]));
    assert!(
        fault.contains("`GATEWAY__LISTEN_FILE` is unknown"),
        "{fault}"
    );
}

#[test]
fn printing_hides_every_secret_and_nothing_else() {
    let hidden = "s3cret";
    let postgres = format!("postgres://u:{hidden}@db/x");
    let redis = format!("redis://:{hidden}@cache");
    let smtp = format!("smtps://u:{hidden}@mail");
    let config = config(
        Shape::Standalone,
        &[
            ("USER__DATABASE_URL", &postgres),
            ("AUTH__DATABASE_URL", &postgres),
            ("CACHE__REDIS_URL", &redis),
            (KEY, GOOD_KEY),
            ("AUTH__BOOTSTRAP_ADMIN_EMAIL", "admin@example.org"),
            ("AUTH__BOOTSTRAP_ADMIN_PASSWORD", hidden),
            ("AUTH__SMTP_URL", &smtp),
            ("USER__REPLICA_URL", &postgres),
        ],
    )
    .unwrap();
    let text = config.print();
    assert!(!text.contains(hidden) && !text.contains(GOOD_KEY), "{text}");
    assert_eq!(text.matches("\"***\"").count(), 7, "{text}");
    assert!(text.contains("admin@example.org"));
    assert!(!format!("{config:?}").contains(hidden));

    let table: toml::Table = text.parse().unwrap();
    assert_eq!(table["gateway"]["listen"].as_str(), Some("127.0.0.1:3000"));
    let schema = schema::Schema::new();
    let secrets = schema.keys.iter().filter(|key| key.is_secret()).count();
    assert_eq!(secrets, 7, "each secret of the list is a key");
}

#[test]
fn no_fault_repeats_a_secret() {
    for (name, value) in [
        ("USER__DATABASE_URL", "mysql://u:s3cret@db"),
        ("CACHE__REDIS_URL", "s3cret"),
        (KEY, "s3cret"),
    ] {
        let fault = fault(config(Shape::Standalone, &[(name, value)]));
        assert!(!fault.contains("s3cret"), "{fault}");
    }
    for text in [
        "[auth]\nmaster_key = 73",
        "[auth]\nmaster_key = s3cret",
        "[auth]\nmaster_key = [\"s3cret\"]",
    ] {
        let fault = fault(with_file(text, &[]));
        assert!(
            !fault.contains("s3cret") && !fault.contains("73"),
            "{fault}"
        );
        assert!(fault.starts_with("portico.toml"), "{fault}");
    }
}
