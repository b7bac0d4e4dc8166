//! Rules for values that their types let through.

use std::{fmt::Display, ops::RangeInclusive};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Config, Shape, UserConfig, edge};
use crate::{Secret, backend::SEPARATOR};

const DAY: u64 = 24 * 60 * 60;
const LONGEST: u64 = 3650 * DAY;

/// Checks all that this shape uses. `origin` says where a key's value came from.
pub(super) fn all(
    config: &Config,
    shape: Shape,
    origin: impl Fn(&str) -> String,
    faults: &mut Vec<String>,
) {
    let mut rules = Rules { origin, faults };
    let all = shape == Shape::Standalone;
    if all || shape == Shape::Gateway {
        rules.gateway(config);
    }
    if all || shape == Shape::User {
        rules.database("user.database_url", &config.user.database_url);
        rules.replica("user.replica_url", &config.user);
        rules.range(
            "user.replica_max_lag_seconds",
            config.user.replica_max_lag_seconds,
            1..=3600,
        );
        rules.range("user.pool_size", config.user.pool_size, 1..=1000);
        rules.range(
            "user.deleted_retention_seconds",
            config.user.deleted_retention_seconds,
            0..=LONGEST,
        );
        rules.range(
            "user.events_keep_days",
            config.user.events_keep_days,
            1..=3650,
        );
        rules.range(
            "user.events_limit_days",
            config.user.events_limit_days,
            config.user.events_keep_days.min(3650)..=3650,
        );
    }
    if all || shape == Shape::Auth {
        rules.auth(config, shape);
    }
    rules.urls("user.url", &config.user.url);
    rules.urls("auth.url", &config.auth.url);
    rules.tls(config, shape);
    rules.url("auth.issuer", &config.auth.issuer);
    rules.fails(
        "auth.audience",
        config.auth.audience.is_empty(),
        "is empty; accepted: text",
    );
    if let Some(url) = &config.cache.redis_url {
        let known = ["redis://", "rediss://"]
            .iter()
            .any(|scheme| url.expose().starts_with(scheme));
        rules.fails(
            "cache.redis_url",
            !known,
            "accepted: redis://… or rediss://…",
        );
    }
}

struct Rules<'a, O> {
    origin: O,
    faults: &'a mut Vec<String>,
}

impl<O: Fn(&str) -> String> Rules<'_, O> {
    fn fails(&mut self, path: &str, fails: bool, fault: impl Display) {
        if fails {
            let origin = (self.origin)(path);
            self.faults.push(format!("{origin}: `{path}`: {fault}"));
        }
    }

    fn range<T: PartialOrd + Display + Copy>(
        &mut self,
        path: &str,
        value: T,
        range: RangeInclusive<T>,
    ) {
        let (least, most) = (range.start(), range.end());
        let fault = format!("{value} is out of range; accepted: {least} to {most}");
        self.fails(path, !range.contains(&value), fault);
    }

    fn url(&mut self, path: &str, url: &str) {
        let good = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        self.fails(
            path,
            !good,
            format!("{url:?} is no URL; accepted: http://… or https://…"),
        );
    }

    /// The addresses of a service.
    fn urls(&mut self, path: &str, urls: &str) {
        for url in urls.split(SEPARATOR) {
            self.url(path, url.trim());
        }
    }

    fn tls(&mut self, config: &Config, shape: Shape) {
        let tls = &config.tls;
        let parts = [&tls.ca_file, &tls.cert_file, &tls.key_file];
        let given = parts.iter().filter(|it| !it.as_os_str().is_empty()).count();
        let fault = "tls.ca_file, tls.cert_file and tls.key_file come together, or none of them";
        self.fails("tls.ca_file", !matches!(given, 0 | 3), fault);
        if given == 3 && shape != Shape::Standalone {
            for (path, urls) in [
                ("user.url", &config.user.url),
                ("auth.url", &config.auth.url),
            ] {
                let plain = urls
                    .split(SEPARATOR)
                    .any(|url| !url.trim().starts_with("https://"));
                let fault = format!("{urls:?} is plain where [tls] is set; accepted: https://…");
                self.fails(path, plain, fault);
            }
        }
        let gateway = &config.gateway;
        let parts = [&gateway.tls_cert_file, &gateway.tls_key_file];
        let given = parts.iter().filter(|it| !it.as_os_str().is_empty()).count();
        let fault = "the certificate and its key come together, or neither";
        self.fails("gateway.tls_cert_file", given == 1, fault);
    }

    fn database(&mut self, path: &str, url: &Secret) {
        let known = ["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.expose().starts_with(scheme));
        self.fails(path, !known, "accepted: sqlite://… or postgres://…");
    }

    /// Only PostgreSQL keeps a copy of itself on another machine.
    fn replica(&mut self, path: &str, user: &UserConfig) {
        let Some(replica) = &user.replica_url else {
            return;
        };
        let fault = "accepted: postgres://…, with a database_url that is one of PostgreSQL too";
        self.fails(
            path,
            !is_postgres(replica) || !is_postgres(&user.database_url),
            fault,
        );
    }

    fn gateway(&mut self, config: &Config) {
        let gateway = &config.gateway;
        self.range("gateway.workers", gateway.workers, 0..=1024);
        self.range(
            "gateway.body_limit_bytes",
            gateway.body_limit_bytes,
            1..=1 << 30,
        );
        self.range(
            "gateway.request_timeout_seconds",
            gateway.request_timeout_seconds,
            1..=3600,
        );
        self.range(
            "gateway.reflect_interval_seconds",
            gateway.reflect_interval_seconds,
            1..=3600,
        );
        self.range(
            "gateway.upstream_concurrency",
            gateway.upstream_concurrency,
            1..=1 << 16,
        );
        self.range(
            "gateway.drain_delay_seconds",
            gateway.drain_delay_seconds,
            0..=300,
        );
        self.range(
            "gateway.hedge_after_milliseconds",
            gateway.hedge_after_milliseconds,
            0..=60_000,
        );
        for (path, fault) in edge::faults(gateway) {
            self.fails(path, true, fault);
        }
        for (name, url) in &gateway.upstreams {
            let path = "gateway.upstreams";
            let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name
                    .chars()
                    .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'));
            let fault = format!("{name:?} is no name; accepted: a-z, 0-9 and -, a letter first");
            self.fails(path, !plain, fault);
            let taken = matches!(name.as_str(), "user" | "auth");
            self.fails(
                path,
                taken,
                format!("`{name}` is the name of a service of Portico"),
            );
            let good = url.split(SEPARATOR).all(|url| {
                url.trim().parse::<http::Uri>().is_ok_and(|uri| {
                    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
                })
            });
            let fault = format!("{name}: {url:?} is no URL; accepted: http://… or https://…");
            self.fails(path, !good, fault);
        }
    }

    fn auth(&mut self, config: &Config, shape: Shape) {
        let auth = &config.auth;
        self.database("auth.database_url", &auth.database_url);
        self.range("auth.pool_size", auth.pool_size, 1..=1000);
        self.range(
            "auth.access_token_ttl_seconds",
            auth.access_token_ttl_seconds,
            1..=DAY,
        );
        self.range(
            "auth.refresh_token_ttl_seconds",
            auth.refresh_token_ttl_seconds,
            1..=LONGEST,
        );
        self.range(
            "auth.session_ttl_seconds",
            auth.session_ttl_seconds,
            1..=LONGEST,
        );
        self.range(
            "auth.refresh_grace_seconds",
            auth.refresh_grace_seconds,
            0..=300,
        );
        self.range(
            "auth.key_rotation_seconds",
            auth.key_rotation_seconds,
            1..=LONGEST,
        );
        self.fails(
            "auth.signing_algorithm",
            !matches!(auth.signing_algorithm.as_str(), "ES256" | "EdDSA" | "RS256"),
            "accepted: ES256, EdDSA or RS256",
        );
        self.range("auth.step_up_seconds", auth.step_up_seconds, 1..=DAY);
        // It stands in a label before a colon.
        let name = &auth.totp_issuer;
        let bad = name.is_empty()
            || name.len() > 64
            || name.contains(|c: char| c == ':' || c.is_control());
        self.fails(
            "auth.totp_issuer",
            bad,
            "accepted: 1 to 64 bytes of text without a colon",
        );
        // The bounds of RFC 9106, section 3.1, as far as a machine can pay for them.
        self.range("auth.argon2_parallelism", auth.argon2_parallelism, 1..=64);
        self.range(
            "auth.argon2_memory_kib",
            auth.argon2_memory_kib,
            8 * auth.argon2_parallelism.min(64)..=4 << 20,
        );
        self.range("auth.argon2_iterations", auth.argon2_iterations, 1..=1000);
        self.range("auth.hashing_threads", auth.hashing_threads, 0..=1024);
        self.range("auth.hashing_queue", auth.hashing_queue, 1..=65536);
        for (path, limit) in [
            ("auth.guesses_per_account", auth.guesses_per_account),
            ("auth.guesses_per_address", auth.guesses_per_address),
            ("auth.mails_per_account", auth.mails_per_account),
            ("auth.mails_per_address", auth.mails_per_address),
        ] {
            self.range(path, limit, 0..=1_000_000);
        }
        self.mail(config);
        let half = auth.bootstrap_admin_email.is_some() != auth.bootstrap_admin_password.is_some();
        self.fails(
            "auth.bootstrap_admin_email",
            half,
            "the administrator's e-mail and password come together, or neither",
        );
        self.master_key(auth.master_key.as_ref(), shape);
    }

    fn mail(&mut self, config: &Config) {
        let auth = &config.auth;
        if let Some(url) = &auth.smtp_url {
            let known = ["smtp://", "smtps://"]
                .iter()
                .any(|scheme| url.expose().starts_with(scheme));
            let fault = "accepted: smtps://user:password@host or smtp://host?tls=required";
            self.fails("auth.smtp_url", !known, fault);
        }
        for (path, link) in [
            ("auth.link_reset_password", &auth.link_reset_password),
            ("auth.link_verify_email", &auth.link_verify_email),
        ] {
            // A link under an issuer that is no URL needs no complaint of its own.
            if !link.starts_with(&auth.issuer) {
                self.url(path, link.split('#').next().unwrap_or_default());
            }
            let fault =
                format!("{link:?} does not say where the token goes; accepted: one {{token}}");
            self.fails(path, link.matches("{token}").count() != 1, fault);
        }
    }

    fn master_key(&mut self, key: Option<&Secret>, shape: Shape) {
        let path = "auth.master_key";
        let Some(key) = key else {
            let fault = "missing (AUTH__MASTER_KEY, AUTH__MASTER_KEY_FILE); accepted: base64 of 32 \
                         random bytes, as `openssl rand -base64 32` prints them";
            self.fails(path, shape == Shape::Auth, fault);
            return;
        };
        let good = key.expose().split(',').all(|key| {
            STANDARD
                .decode(key.trim())
                .is_ok_and(|bytes| bytes.len() == 32)
        });
        self.fails(
            path,
            !good,
            "accepted: base64 of 32 bytes, or several of them with commas between",
        );
    }
}

fn is_postgres(url: &Secret) -> bool {
    let schemes = ["postgres://", "postgresql://"];
    schemes
        .iter()
        .any(|scheme| url.expose().starts_with(scheme))
}
