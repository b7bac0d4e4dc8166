//! What can be configured. Defaults and units stand in `default.toml`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::TimeDelta;
use portico_telemetry::LogFormat;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    Secret,
    tls::{Client, Files},
};

/// Everything that can be configured, for every shape.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Where the standalone keeps its databases.
    pub data_dir: PathBuf,
    /// How logs look.
    pub log: LogConfig,
    /// The REST edge.
    pub gateway: GatewayConfig,
    /// The user service, and how others reach it.
    pub user: UserConfig,
    /// The auth service, and how others reach it.
    pub auth: AuthConfig,
    /// The port for probes and metrics.
    pub ops: OpsConfig,
    /// What processes share.
    pub cache: CacheConfig,
    /// TLS between the processes.
    pub tls: TlsConfig,
}

/// How logs look. What is logged follows `RUST_LOG`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogConfig {
    /// `auto`, `json` or `pretty`.
    pub format: LogFormat,
}

/// The REST edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Threads that serve; 0 means one per core.
    pub workers: usize,
    /// The largest request body.
    pub body_limit_bytes: usize,
    /// How long a request may take.
    pub request_timeout_seconds: u64,
    /// The longest request target.
    pub uri_limit_bytes: usize,
    /// The most bytes that all header fields may have together.
    pub header_limit_bytes: usize,
    /// Connections that one worker holds at once.
    pub connections: usize,
    /// Connections of one client address; 0 sets no limit.
    pub connections_per_address: u32,
    /// Requests that run at once on one connection; 0 sets no limit.
    pub requests_per_connection: u32,
    /// How long a client may take to send a request's head.
    pub head_timeout_seconds: u64,
    /// How long a connection may be idle.
    pub keep_alive_seconds: u64,
    /// How long a client may take nothing of an answer.
    pub write_timeout_seconds: u64,
    /// The proxies in front, as addresses or networks with commas between.
    pub trusted_proxies: String,
    /// Where they say whose a request is: `x-forwarded-for` or `forwarded`.
    pub forwarded_header: String,
    /// Origins of pages that may read answers, with commas between.
    pub cors_origins: String,
    /// How long browsers remember to come by HTTPS alone; 0 sends nothing.
    pub hsts_seconds: u64,
    /// The smallest answer that is compressed; 0 compresses nothing.
    pub compress_from_bytes: usize,
    /// How often requests may come: class to limits (see [`super::rate_limits`]).
    #[serde(deserialize_with = "pairs")]
    pub rate_limits: BTreeMap<String, String>,
    /// Further gRPC services to mount: name to URL.
    #[serde(deserialize_with = "pairs")]
    pub upstreams: BTreeMap<String, String>,
    /// How often the services' descriptors are looked at for changes.
    pub reflect_interval_seconds: u64,
    /// The most calls that one worker has under way to one upstream.
    pub upstream_concurrency: usize,
    /// How late a read may be before another endpoint is asked as well; 0 means never.
    pub hedge_after_milliseconds: u64,
    /// How long a gateway that was told to stop goes on as before, while `/ready` says that it will not.
    pub drain_delay_seconds: u64,
    /// The certificate that the edge shows, with those between it and its CA; without it, it speaks no TLS.
    pub tls_cert_file: PathBuf,
    /// The private key of that certificate.
    pub tls_key_file: PathBuf,
}

impl GatewayConfig {
    /// What the edge speaks TLS with, if it does.
    pub fn tls(&self) -> Option<Files> {
        files(Path::new(""), &self.tls_cert_file, &self.tls_key_file)
    }

    /// How late a read may be before another endpoint is asked as well.
    pub fn hedge_after(&self) -> Option<Duration> {
        let after = Duration::from_millis(self.hedge_after_milliseconds);
        (!after.is_zero()).then_some(after)
    }
}

/// The user service, and how others reach it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where others find it.
    pub url: String,
    /// Its database; `user.db` in the data folder by default.
    pub database_url: Secret,
    /// A read replica of it, for reads that may be some seconds behind.
    #[serde(default)]
    pub replica_url: Option<Secret>,
    /// How far behind the replica may be and still be asked.
    pub replica_max_lag_seconds: u64,
    /// Connections that it keeps to its database at most.
    pub pool_size: u32,
    /// How long a deleted account can be undeleted before it is purged.
    pub deleted_retention_seconds: u64,
    /// How many days events are kept at least.
    pub events_keep_days: u32,
    /// How many days events are kept at most.
    pub events_limit_days: u32,
}

impl UserConfig {
    /// How long a deleted account can be undeleted before it is purged.
    pub fn keep_deleted(&self) -> TimeDelta {
        let seconds = i64::try_from(self.deleted_retention_seconds).ok();
        seconds
            .and_then(TimeDelta::try_seconds)
            .unwrap_or(TimeDelta::MAX)
    }
}

/// The auth service, and how others reach it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where others find it.
    pub url: String,
    /// Its database; `auth.db` in the data folder by default.
    pub database_url: Secret,
    /// Connections that it keeps to its database at most.
    pub pool_size: u32,
    /// What encrypts the signing keys at rest: a comma-separated list of base64 texts of 32 bytes
    /// each. The first encrypts, all decrypt. Only the standalone may go without, and makes its own.
    #[serde(default)]
    pub master_key: Option<Secret>,
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` of every access token.
    pub audience: String,
    /// How long an access token is good for.
    pub access_token_ttl_seconds: u64,
    /// How long a refresh token is good for when it is not used.
    pub refresh_token_ttl_seconds: u64,
    /// How long a session lasts however often it is used.
    pub session_ttl_seconds: u64,
    /// How long a used refresh token still answers its successor.
    pub refresh_grace_seconds: u64,
    /// How often the signing key changes.
    pub key_rotation_seconds: u64,
    /// What signs access tokens from the next rotation on: `ES256`, `EdDSA` or `RS256`.
    pub signing_algorithm: String,
    /// Roles whose holders need a second factor, with commas between.
    pub mfa_required_roles: String,
    /// How old the last proof of a factor may be when factors are changed.
    pub step_up_seconds: u64,
    /// What authenticator applications show as the name of the service.
    pub totp_issuer: String,
    /// Memory of one password hash.
    pub argon2_memory_kib: u32,
    /// Passes of one password hash.
    pub argon2_iterations: u32,
    /// Lanes of one password hash.
    pub argon2_parallelism: u32,
    /// Threads that hash passwords; 0 means one per core.
    pub hashing_threads: usize,
    /// Password hashes that may wait for a thread.
    pub hashing_queue: usize,
    /// A file of breached passwords that nobody may choose.
    #[serde(default)]
    pub breached_passwords: Option<PathBuf>,
    /// Wrong guesses in a minute for one account, and for each of its known devices; 0 sets no limit.
    pub guesses_per_account: u32,
    /// Wrong guesses in a minute from one client address; 0 sets no limit.
    pub guesses_per_address: u32,
    /// Mails in an hour to one address; 0 sets no limit.
    pub mails_per_account: u32,
    /// Registrations and mails in an hour for one client address; 0 sets no limit.
    pub mails_per_address: u32,
    /// Whether an address has to be verified before its account can sign in.
    pub require_verified_email: Requirement,
    /// Where mails go; without it into `mail_dir`.
    #[serde(default)]
    pub smtp_url: Option<Secret>,
    /// Where mails lie that are not sent; `mail` in the data folder by default.
    pub mail_dir: PathBuf,
    /// Who sends.
    pub mail_from: String,
    /// The page for a new password, with `{token}`; `/reset-password` under the issuer by default.
    pub link_reset_password: String,
    /// The page that verifies an address, with `{token}`; `/verify-email` under the issuer by default.
    pub link_verify_email: String,
    /// The address of the administrator to create when there is none.
    #[serde(default)]
    pub bootstrap_admin_email: Option<String>,
    /// The password of that administrator.
    #[serde(default)]
    pub bootstrap_admin_password: Option<Secret>,
}

impl AuthConfig {
    /// Whether an address has to be verified before its account can sign in.
    pub fn requires_verified_email(&self) -> bool {
        match self.require_verified_email {
            Requirement::True => true,
            Requirement::False => false,
            Requirement::Auto => self.smtp_url.is_some(),
        }
    }
}

/// Whether something is required, or only where it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// Where it can be.
    Auto,
    /// Always.
    True,
    /// Never.
    False,
}

/// The port for probes and metrics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpsConfig {
    /// Where it listens.
    pub listen: SocketAddr,
}

/// What processes share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CacheConfig {
    /// Redis; without it each process remembers on its own.
    #[serde(default)]
    pub redis_url: Option<Secret>,
}

/// TLS between the processes. With all three files, services are reached by `https://` alone, and each side
/// shows a certificate that the CA has signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TlsConfig {
    /// The CA's certificate.
    pub ca_file: PathBuf,
    /// This process' certificate.
    pub cert_file: PathBuf,
    /// Its private key.
    pub key_file: PathBuf,
}

impl TlsConfig {
    /// The files, where the processes speak TLS.
    pub fn files(&self) -> Option<Files> {
        files(&self.ca_file, &self.cert_file, &self.key_file)
    }

    /// How services of Portico are called. Must be called within a tokio runtime.
    pub fn client(&self) -> anyhow::Result<Option<Client>> {
        let files = self.files();
        files.map(|it| Client::mutual(&it, false)).transpose()
    }

    /// How services of others are called: beside the CA, whom the machine trusts is trusted.
    pub fn client_for_strangers(&self) -> anyhow::Result<Option<Client>> {
        let files = self.files();
        files.map(|it| Client::mutual(&it, true)).transpose()
    }
}

fn files(ca: &Path, cert: &Path, key: &Path) -> Option<Files> {
    let given = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    Some(Files {
        ca: given(ca),
        cert: given(cert)?,
        key: given(key)?,
    })
}

/// Takes `name=value,name=value`, as a variable has it, or a table.
fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(String),
        Table(BTreeMap<String, String>),
    }

    let list = match Either::deserialize(deserializer)? {
        Either::Table(table) => return Ok(table),
        Either::List(list) => list,
    };
    let mut table = BTreeMap::new();
    for item in list
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        let Some((name, url)) = item.split_once('=') else {
            return Err(de::Error::custom(format!("`{item}` has no `=`")));
        };
        let name = name.trim().to_owned();
        if table.contains_key(&name) {
            return Err(de::Error::custom(format!("`{name}` stands there twice")));
        }
        table.insert(name, url.trim().to_owned());
    }
    Ok(table)
}
