//! Putting the sources together.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    error::{Actual, Kind as Fault},
    providers::{Format, Serialized, Toml},
    value::{Dict, Map},
};

use super::{
    Config, ConfigError, FILE, Shape, check, environment,
    schema::{Kind, Schema, defaults, is_secret, ops_listen},
};
use crate::Secret;

/// The variable that names the data folder.
const DATA_DIR: &str = "DATA_DIR";

impl Config {
    /// The configuration of this process: its environment over the file over the defaults. Without a
    /// file, `portico.toml` in the working directory is read when it exists. A data folder that the
    /// command line names stands over all.
    pub fn load(
        shape: Shape,
        file: Option<&Path>,
        data_dir: Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut pairs = Vec::new();
        let mut faults = Vec::new();
        for (name, value) in std::env::vars_os() {
            // A name that is not text is not one of ours.
            let Ok(name) = name.into_string() else {
                continue;
            };
            match value.into_string() {
                Ok(value) => pairs.push((name, value)),
                Err(_) if name.contains("__") => {
                    faults.push(format!("variable {name}: not UTF-8"));
                }
                Err(_) => {}
            }
        }
        ConfigError::unless_empty(faults)?;
        if let Some(folder) = data_dir {
            pairs.retain(|(name, _)| name != DATA_DIR);
            pairs.push((DATA_DIR.to_owned(), folder));
        }
        build(shape, read(file)?, pairs)
    }

    /// The configuration that those variables give, with no look at the process' own environment and
    /// no file.
    pub fn from_pairs(
        shape: Shape,
        pairs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        build(shape, None, pairs)
    }

    /// The effective values as TOML, secrets as `***`.
    pub fn print(&self) -> String {
        toml::to_string(self).expect("a configuration is plain data")
    }
}

/// A configuration file and where it came from.
pub(super) struct File {
    pub name: String,
    pub text: String,
}

fn read(file: Option<&Path>) -> Result<Option<File>, ConfigError> {
    let path = file.unwrap_or(Path::new(FILE));
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(File { name, text })),
        Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::one(format!("cannot read {name}: {error}"))),
    }
}

pub(super) fn build(
    shape: Shape,
    file: Option<File>,
    pairs: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let schema = Schema::new();
    let mut faults = Vec::new();
    let mut figment = defaults().merge(Serialized::default("ops.listen", ops_listen(shape)));
    if let Some(file) = file {
        let table = parse(&file)?;
        unknown_in_file(&schema, &file.name, &table, &mut faults);
        figment = figment.merge(FromFile(file));
    }
    let mut files = BTreeMap::new();
    for variable in environment::read(&schema, shape, pairs, &mut faults) {
        let file = variable.file().map(Path::to_owned);
        files.insert(variable.path().to_owned(), file);
        figment = figment.merge(variable);
    }

    let config = figment.extract::<Config>().map_err(|error| {
        faults.extend(error.into_iter().map(|error| sentence(&schema, &error)));
    });
    let Ok(mut config) = config else {
        return Err(ConfigError::unless_empty(faults)
            .err()
            .unwrap_or_else(|| ConfigError::one("cannot be read")));
    };
    complete(&mut config);
    follow(&mut config, &files);
    check::all(&config, shape, |path| origin(&figment, path), &mut faults);
    ConfigError::unless_empty(faults)?;
    Ok(config)
}

/// Fills in what depends on other keys.
fn complete(config: &mut Config) {
    // A variable that names some classes leaves the others as they are.
    let limits = defaults().extract_inner::<BTreeMap<String, String>>("gateway.rate_limits");
    for (class, limits) in limits.unwrap_or_default() {
        config.gateway.rate_limits.entry(class).or_insert(limits);
    }
    let sqlite = |file: &str| {
        let path = config.data_dir.join(file).display().to_string();
        // Two characters mean something in a URL.
        let path = path.replace('%', "%25").replace('?', "%3F");
        Secret::from(format!("sqlite://{path}"))
    };
    let (user, auth) = (sqlite("user.db"), sqlite("auth.db"));
    if config.user.database_url.is_empty() {
        config.user.database_url = user;
    }
    if config.auth.database_url.is_empty() {
        config.auth.database_url = auth;
    }
    // A deployment that passes every variable passes some of them empty.
    let auth = &mut config.auth;
    let secrets = [
        &mut config.cache.redis_url,
        &mut auth.master_key,
        &mut auth.bootstrap_admin_password,
        &mut auth.smtp_url,
    ];
    for secret in secrets {
        *secret = secret.take().filter(|secret| !secret.is_empty());
    }
    auth.breached_passwords = auth
        .breached_passwords
        .take()
        .filter(|path| !path.as_os_str().is_empty());
    if auth.mail_dir.as_os_str().is_empty() {
        auth.mail_dir = config.data_dir.join("mail");
    }
    let issuer = auth.issuer.trim_end_matches('/');
    for (link, page) in [
        (&mut auth.link_reset_password, "reset-password"),
        (&mut auth.link_verify_email, "verify-email"),
    ] {
        if link.is_empty() {
            *link = format!("{issuer}/{page}#token={{token}}");
        }
    }
    auth.bootstrap_admin_email = auth
        .bootstrap_admin_email
        .take()
        .filter(|text| !text.is_empty());
}

/// Tells the URLs of databases, whose passwords change while the process runs, which files they came from.
fn follow(config: &mut Config, files: &BTreeMap<String, Option<PathBuf>>) {
    let urls = [
        ("user.database_url", Some(&mut config.user.database_url)),
        ("user.replica_url", config.user.replica_url.as_mut()),
        ("auth.database_url", Some(&mut config.auth.database_url)),
    ];
    for (key, url) in urls {
        if let (Some(url), Some(Some(file))) = (url, files.get(key)) {
            url.read_from(file);
        }
    }
}

struct FromFile(File);

impl Provider for FromFile {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.name.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Toml::string(&self.0.text).data()
    }
}

/// Reads the file's syntax alone. A fault is told by its line, since the text itself may be a secret.
fn parse(file: &File) -> Result<toml::Table, ConfigError> {
    file.text.parse::<toml::Table>().map_err(|error| {
        let before = error.span().and_then(|span| file.text.get(..span.start));
        let line = before.map_or(1, |text| text.matches('\n').count() + 1);
        ConfigError::one(format!("{}, line {line}: {}", file.name, error.message()))
    })
}

fn unknown_in_file(schema: &Schema, file: &str, table: &toml::Table, faults: &mut Vec<String>) {
    let paths = || schema.keys.iter().map(|key| key.path.clone());
    for (name, value) in table {
        match value {
            toml::Value::Table(section) if schema.has_section(name) => {
                for key in section.keys() {
                    let path = format!("{name}.{key}");
                    if schema.find(&path).is_none() {
                        faults.push(format!("{file}: {}", Schema::unknown(&path, paths())));
                    }
                }
            }
            _ if schema.find(name).is_some() || schema.has_section(name) => {}
            _ => {
                let sections = paths().filter_map(|path| Some(path.split_once('.')?.0.to_owned()));
                let fault = Schema::unknown(name, paths().chain(sections));
                faults.push(format!("{file}: {fault}"));
            }
        }
    }
}

/// Where the value of a key came from.
fn origin(figment: &Figment, path: &str) -> String {
    figment.find_metadata(path).map_or_else(
        || "the defaults".to_owned(),
        |metadata| metadata.name.to_string(),
    )
}

/// One sentence: source, key, fault, and what is accepted. Never the value of a secret.
fn sentence(schema: &Schema, error: &figment::Error) -> String {
    let path = error.path.join(".");
    let source = error
        .metadata
        .as_ref()
        .map_or("the defaults", |metadata| &metadata.name);
    let found = |actual: &Actual| {
        if is_secret(&path) {
            "not text".to_owned()
        } else {
            format!("found {actual}")
        }
    };
    let fault = match &error.kind {
        Fault::InvalidType(actual, _) | Fault::InvalidValue(actual, _) => found(actual),
        Fault::UnknownVariant(value, _) => format!("found {value:?}"),
        Fault::Message(message) => message.clone(),
        other => other.to_string(),
    };
    format!(
        "{source}: `{path}`: {fault}; accepted: {}",
        accepted(schema, &path)
    )
}

fn accepted(schema: &Schema, path: &str) -> &'static str {
    let name = path.rsplit('.').next().unwrap_or(path);
    match (name, schema.find(path).map(|key| key.kind)) {
        ("listen", _) => "an address and a port, such as 127.0.0.1:3000",
        ("format", _) => "auto, json or pretty",
        ("require_verified_email", _) => "auto, true or false",
        ("pool_size" | "argon2_memory_kib" | "argon2_iterations" | "argon2_parallelism", _) => {
            "a whole number from 1 to 4294967295"
        }
        (_, Some(Kind::Number)) => "a whole number, 0 or more",
        (_, Some(Kind::Text)) => "text",
        ("rate_limits", Some(Kind::Table)) => {
            "class=limits, separated by commas, or a table of them"
        }
        (_, Some(Kind::Table)) => "name=url, separated by commas, or a table of them",
        (_, None) if path.starts_with("gateway.rate_limits") => "limits, such as address:600/1m",
        (_, None) if path.starts_with("gateway.upstreams") => "the URL of a service, as text",
        (_, None) => "a section with keys",
    }
}
