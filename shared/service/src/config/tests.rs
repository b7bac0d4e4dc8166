mod secrets;

use std::{fs, path::PathBuf};

use super::{load::File, *};

const KEY: &str = "AUTH__MASTER_KEY";
const GOOD_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn config(shape: Shape, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_pairs(shape, owned(pairs))
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn with_file(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = File {
        name: "portico.toml".to_owned(),
        text: text.to_owned(),
    };
    load::build(Shape::Standalone, Some(file), owned(pairs))
}

/// The one fault of a configuration that must be refused.
fn fault(result: Result<Config, ConfigError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.faults().len(), 1, "{error}");
    error.faults()[0].clone()
}

#[test]
fn defaults_are_those_of_the_design() {
    let config = config(Shape::Standalone, &[]).unwrap();
    assert_eq!(config.gateway.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.user.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.auth.listen.to_string(), "127.0.0.1:50052");
    assert_eq!(config.ops.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.auth.access_token_ttl_seconds, 600);
    assert_eq!(config.auth.argon2_memory_kib, 19 * 1024);
    assert_eq!(config.user.database_url.expose(), "sqlite://data/user.db");
    assert_eq!(config.auth.database_url.expose(), "sqlite://data/auth.db");
    assert!(config.auth.master_key.is_none());
    assert!(config.cache.redis_url.is_none());
}

#[test]
fn mails_need_an_address_and_links_that_say_where_the_token_goes() {
    let config = |pairs: &[(&str, &str)]| config(Shape::Standalone, pairs);
    let auth = config(&[]).unwrap().auth;
    assert_eq!(auth.mail_dir, PathBuf::from("data/mail"));
    assert_eq!(
        auth.link_reset_password,
        "http://127.0.0.1:3000/reset-password#token={token}"
    );
    assert!(!auth.requires_verified_email());
    let smtp = ("AUTH__SMTP_URL", "smtps://me:secret@mail.example.org");
    let sending = config(&[smtp]).unwrap();
    assert!(sending.auth.requires_verified_email());
    assert!(!sending.print().contains("secret"));
    let free = ("AUTH__REQUIRE_VERIFIED_EMAIL", "false");
    let free = config(&[smtp, free]).unwrap();
    assert!(!free.auth.requires_verified_email());

    let fault = |name, value| fault(config(&[(name, value)]));
    let smtp = fault("AUTH__SMTP_URL", "mail.example.org");
    assert!(smtp.contains("smtps://"), "{smtp}");
    let link = fault("AUTH__LINK_VERIFY_EMAIL", "https://example.org/verify");
    assert!(link.contains("{token}"), "{link}");
    let required = fault("AUTH__REQUIRE_VERIFIED_EMAIL", "perhaps");
    assert!(required.contains("auto"), "{required}");
}

#[test]
fn the_ops_port_depends_on_the_shape() {
    let port = |shape| config(shape, &[(KEY, GOOD_KEY)]).unwrap().ops.listen.port();
    assert_eq!(port(Shape::Gateway), 9090);
    assert_eq!(port(Shape::User), 9091);
    assert_eq!(port(Shape::Auth), 9092);
}

#[test]
fn the_environment_outranks_the_file_which_outranks_the_defaults() {
    let file = "data_dir = \"/srv/a?b\"\n[gateway]\nworkers = 3\nbody_limit_bytes = 10\n[ops]\nlisten = \"127.0.0.1:1\"\n";
    let config = with_file(file, &[("GATEWAY__WORKERS", "5")]).unwrap();
    assert_eq!(config.gateway.workers, 5);
    assert_eq!(config.gateway.body_limit_bytes, 10);
    assert_eq!(config.gateway.request_timeout_seconds, 10);
    assert_eq!(config.ops.listen.port(), 1);
    assert_eq!(
        config.user.database_url.expose(),
        "sqlite:///srv/a%3Fb/user.db"
    );
}

#[test]
fn variables_that_are_not_ours_are_not_looked_at() {
    let pairs = [
        ("PATH", "/bin"),
        ("USER", "root"),
        ("MY__GATEWAY", "x"),
        ("gateway__listen", "x"),
    ];
    assert!(config(Shape::Standalone, &pairs).is_ok());
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest_name() {
    let fault = fault(config(Shape::Gateway, &[("GATEWAY__LISTN", "127.0.0.1:1")]));
    assert_eq!(
        fault,
        "variable `GATEWAY__LISTN` is unknown; the nearest is `GATEWAY__LISTEN`"
    );
}

#[test]
fn an_unknown_key_of_the_file_is_refused_with_the_nearest_name() {
    assert_eq!(
        fault(with_file("[auth]\npool_sise = 4\n", &[])),
        "portico.toml: `auth.pool_sise` is unknown; the nearest is `auth.pool_size`"
    );
    assert_eq!(
        fault(with_file("[gatewy]\nworkers = 4\n", &[])),
        "portico.toml: `gatewy` is unknown; the nearest is `gateway`"
    );
}

#[test]
fn every_unknown_name_is_told_at_once() {
    let error = with_file("zzz = 1\n[auth]\nzzz = 4\n", &[("OPS__LISTENER", "")]).unwrap_err();
    assert_eq!(error.faults().len(), 3, "{error}");
}

#[test]
fn a_wrong_value_names_its_key_its_source_and_what_is_right() {
    let told = |name, value| fault(config(Shape::Standalone, &[(name, value)]));
    assert_eq!(
        told("GATEWAY__WORKERS", "many"),
        "variable GATEWAY__WORKERS: `gateway.workers`: found string \"many\"; accepted: a whole number, 0 or more"
    );
    assert!(told("GATEWAY__WORKERS", "-1").contains("`gateway.workers`: found "));
    assert!(told("USER__POOL_SIZE", "5000000000").contains("accepted: a whole number from 1 to"));
    assert!(told("LOG__FORMAT", "xml").ends_with("found \"xml\"; accepted: auto, json or pretty"));
    assert!(told("OPS__LISTEN", "9090").contains("accepted: an address and a port"));
    let in_file = fault(with_file("[gateway]\nworkers = \"many\"\n", &[]));
    assert!(
        in_file.starts_with("portico.toml: `gateway.workers`: found string"),
        "{in_file}"
    );
}

#[test]
fn values_out_of_range_are_refused() {
    let told = |name, value| fault(config(Shape::Standalone, &[(name, value)]));
    assert_eq!(
        told("AUTH__ACCESS_TOKEN_TTL_SECONDS", "0"),
        "variable AUTH__ACCESS_TOKEN_TTL_SECONDS: `auth.access_token_ttl_seconds`: 0 is out of range; accepted: 1 to 86400"
    );
    for (name, value) in [
        ("USER__POOL_SIZE", "0"),
        ("USER__REPLICA_MAX_LAG_SECONDS", "0"),
        ("GATEWAY__BODY_LIMIT_BYTES", "0"),
        ("GATEWAY__REQUEST_TIMEOUT_SECONDS", "0"),
        ("AUTH__ARGON2_MEMORY_KIB", "7"),
        ("AUTH__HASHING_QUEUE", "0"),
        ("AUTH__REFRESH_GRACE_SECONDS", "301"),
        ("USER__URL", "localhost:50051"),
        ("AUTH__ISSUER", "ftp://x"),
        ("AUTH__AUDIENCE", ""),
        ("AUTH__DATABASE_URL", "mysql://root@x/y"),
        ("CACHE__REDIS_URL", "http://x"),
        ("UPSTREAMS", "Orders=http://x"),
        ("UPSTREAMS", "user=http://x"),
        ("UPSTREAMS", "orders=x"),
        ("UPSTREAMS", "orders"),
        ("UPSTREAMS", "a=http://x,a=http://y"),
        ("AUTH__BOOTSTRAP_ADMIN_EMAIL", "a@example.org"),
        (KEY, "c2hvcnQ="),
    ] {
        assert!(
            told(name, value).starts_with(&format!("variable {name}: `")),
            "{name}"
        );
    }
}

#[test]
fn a_replica_stands_beside_postgres_alone() {
    let (database, replica) = ("USER__DATABASE_URL", "USER__REPLICA_URL");
    let with = |of: &str, copy: &str| config(Shape::User, &[(database, of), (replica, copy)]);
    let good = with("postgres://db/users", "postgresql://copy/users").unwrap();
    assert!(good.user.replica_url.is_some());
    for (of, copy) in [
        ("sqlite://data/user.db", "postgres://u:s3cret@copy/users"),
        ("sqlite://data/user.db", "sqlite://s3cret"),
        ("postgres://db/users", "sqlite://s3cret"),
        ("postgres://db/users", "s3cret"),
    ] {
        let told = fault(with(of, copy));
        assert!(
            told.contains("`user.replica_url`: accepted: postgres://"),
            "{told}"
        );
        assert!(!told.contains("s3cret"), "{told}");
    }
    // Another service's settings are its own business.
    assert!(config(Shape::Gateway, &[(replica, "x")]).is_ok());
}

#[test]
fn a_shape_is_not_asked_for_what_it_does_not_use() {
    assert!(config(Shape::User, &[]).is_ok());
    assert!(config(Shape::User, &[("AUTH__POOL_SIZE", "0")]).is_ok());
    assert!(fault(config(Shape::Auth, &[])).contains("`auth.master_key`: missing"));
}

#[test]
fn short_names_mean_the_one_service() {
    let url = ("DATABASE_URL", "postgres://u:p@db/x");
    let redis = ("REDIS_URL", "redis://cache");
    let user = config(Shape::User, &[url, redis]).unwrap();
    assert_eq!(user.user.database_url.expose(), url.1);
    assert_eq!(user.auth.database_url.expose(), "sqlite://data/auth.db");
    assert_eq!(user.cache.redis_url.unwrap().expose(), redis.1);

    let auth = config(Shape::Auth, &[url, (KEY, GOOD_KEY)]).unwrap();
    assert_eq!(auth.auth.database_url.expose(), url.1);

    let standalone = config(Shape::Standalone, &[url, redis]).unwrap();
    assert_eq!(
        standalone.user.database_url.expose(),
        "sqlite://data/user.db"
    );
    assert!(standalone.cache.redis_url.is_none());
}

#[test]
fn a_full_name_outranks_a_short_one() {
    for pairs in [
        [
            ("DATABASE_URL", "sqlite://short"),
            ("USER__DATABASE_URL", "sqlite://full"),
        ],
        [
            ("USER__DATABASE_URL", "sqlite://full"),
            ("DATABASE_URL", "sqlite://short"),
        ],
    ] {
        let config = config(Shape::User, &pairs).unwrap();
        assert_eq!(config.user.database_url.expose(), "sqlite://full");
    }
}

#[test]
fn upstreams_come_as_a_list_or_a_table() {
    let list = config(
        Shape::Gateway,
        &[("UPSTREAMS", "orders=http://o:1, billing = http://b:2 ,")],
    );
    let table = with_file(
        "[gateway.upstreams]\norders = \"http://o:1\"\nbilling = \"http://b:2\"\n",
        &[],
    );
    let expected = [("billing", "http://b:2"), ("orders", "http://o:1")];
    for config in [list.unwrap(), table.unwrap()] {
        let upstreams: Vec<_> = config
            .gateway
            .upstreams
            .iter()
            .map(|(a, b)| (&**a, &**b))
            .collect();
        assert_eq!(upstreams, expected);
    }
}

#[test]
fn a_service_may_have_several_urls() {
    let several = "http://a:1|http://b:2";
    let (one, all) = (
        ("USER__URL", several),
        ("UPSTREAMS", "orders=http://a|http://b"),
    );
    let config = |pairs: &[(&str, &str)]| config(Shape::Gateway, pairs);
    assert_eq!(config(&[one, all]).unwrap().user.url, several);
    let bad = fault(config(&[("USER__URL", "http://a:1|b:2")]));
    assert!(
        bad.contains("`user.url`") && bad.contains("http://"),
        "{bad}"
    );
    let bad = fault(config(&[("UPSTREAMS", "orders=http://a|")]));
    assert!(bad.contains("orders"), "{bad}");
}

#[test]
fn tls_is_whole_or_not_at_all() {
    let gateway = |pairs: &[(&str, &str)]| config(Shape::Gateway, pairs);
    assert!(gateway(&[]).unwrap().tls.files().is_none());
    assert!(gateway(&[]).unwrap().gateway.tls().is_none());
    let files = [
        ("TLS__CA_FILE", "/ca.pem"),
        ("TLS__CERT_FILE", "/cert.pem"),
        ("TLS__KEY_FILE", "/key.pem"),
    ];
    let half = fault(gateway(&files[..2]));
    assert!(half.contains("come together"), "{half}");
    let plain = gateway(&[&files[..], &[("USER__URL", "https://user:1")]].concat());
    let plain = fault(plain);
    assert!(
        plain.contains("`auth.url`") && plain.contains("https://"),
        "{plain}"
    );
    let urls = [
        ("USER__URL", "https://user:1"),
        ("AUTH__URL", "https://auth:1"),
    ];
    let whole = gateway(&[&files[..], &urls].concat()).unwrap();
    assert_eq!(
        whole.tls.files().unwrap().ca,
        Some(PathBuf::from("/ca.pem"))
    );
    let half = fault(gateway(&[("GATEWAY__TLS_CERT_FILE", "/cert.pem")]));
    assert!(half.contains("gateway.tls_cert_file"), "{half}");
}

#[test]
fn classes_of_limits_that_are_not_named_keep_their_defaults() {
    let list = [(
        "GATEWAY__RATE_LIMITS",
        "tokens=address:5/1s, exports = none",
    )];
    let table = "[gateway.rate_limits]\ntokens = \"address:5/1s\"\nexports = \"none\"\n";
    for config in [
        config(Shape::Gateway, &list).unwrap(),
        with_file(table, &[]).unwrap(),
    ] {
        let limits = &config.gateway.rate_limits;
        assert_eq!(limits["tokens"], "address:5/1s");
        assert_eq!(limits["exports"], "none");
        assert_eq!(limits["public"], "address:60000/1m");
    }
    let error = config(Shape::Gateway, &[("GATEWAY__RATE_LIMITS", "tokens=5/1s")]);
    assert_eq!(
        error.unwrap_err().faults(),
        [
            "variable GATEWAY__RATE_LIMITS: `gateway.rate_limits`: tokens: \"5/1s\" is no limit; accepted: \
             none, or address:LIMIT/PERIOD, account:… and client:… with spaces between, such as address:600/1m"
        ]
    );
}

#[test]
fn what_the_edge_believes_and_allows_is_checked() {
    let told = |name: &str, value: &str| {
        config(Shape::Gateway, &[(name, value)])
            .unwrap_err()
            .to_string()
    };
    assert!(told("GATEWAY__TRUSTED_PROXIES", "10.0.0.0/8,nonsense").contains("\"nonsense\""));
    assert!(told("GATEWAY__TRUSTED_PROXIES", "10.0.0.0/33").contains("10.0.0.0/33"));
    assert!(told("GATEWAY__FORWARDED_HEADER", "x-real-ip").contains("forwarded"));
    for origin in [
        "*",
        "null",
        "https://app.example.org/",
        "https://App.example.org",
        "app.example.org",
        "https://*.example.org",
        "https://user@example.org",
        "ftp://example.org",
    ] {
        let fault = told("GATEWAY__CORS_ORIGINS", origin);
        assert!(fault.contains(&format!("{origin:?}")), "{fault}");
    }
    assert!(told("GATEWAY__HEAD_TIMEOUT_SECONDS", "0").contains("1 to 3600"));

    let good = config(
        Shape::Gateway,
        &[
            ("GATEWAY__TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1 ,"),
            (
                "GATEWAY__CORS_ORIGINS",
                "https://app.example.org, http://localhost:5173",
            ),
            ("GATEWAY__FORWARDED_HEADER", "forwarded"),
        ],
    );
    let gateway = good.unwrap().gateway;
    assert_eq!(gateway.proxies().len(), 2);
    assert_eq!(
        gateway.origins(),
        ["https://app.example.org", "http://localhost:5173"]
    );
}

#[test]
fn a_broken_file_is_refused_by_its_line() {
    let fault = fault(with_file("[gateway]\nworkers = \n", &[]));
    assert!(fault.starts_with("portico.toml, line 2: "), "{fault}");
}

#[test]
fn an_empty_optional_value_is_none() {
    let pairs = [
        ("CACHE__REDIS_URL", ""),
        (KEY, ""),
        ("AUTH__BOOTSTRAP_ADMIN_EMAIL", ""),
    ];
    let config = config(Shape::Standalone, &pairs).unwrap();
    assert!(config.cache.redis_url.is_none());
    assert!(config.auth.master_key.is_none());
    assert!(config.auth.bootstrap_admin_email.is_none());
}
