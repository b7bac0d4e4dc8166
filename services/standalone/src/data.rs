//! The data folder: the databases, and the master key beside them.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use portico_service::{Config, Secret};
use ring::rand::{SecureRandom, SystemRandom};

const MASTER_KEY: &str = "master.key";

/// Makes the data folder, for its owner alone. Where no master key is configured, the one that lies in
/// the folder is used, and made on the first start.
pub fn prepare(config: &Config) -> anyhow::Result<Config> {
    let mut config = config.clone();
    make_folder(&config.data_dir)
        .with_context(|| format!("the data folder {}", config.data_dir.display()))?;
    if config.auth.master_key.is_none() {
        let path = config.data_dir.join(MASTER_KEY);
        let key = master_key(&path).with_context(|| path.display().to_string())?;
        config.auth.master_key = Some(key);
    }
    Ok(config)
}

/// Random bytes from the system.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .ok()
        .context("the system gives no randomness")?;
    Ok(bytes)
}

fn make_folder(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// Reads the key, or makes one, which is complete under its name or not there at all.
fn master_key(path: &Path) -> anyhow::Result<Secret> {
    match fs::read_to_string(path) {
        Ok(key) => return Ok(Secret::from(key.trim_end().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let key = BASE64_STANDARD.encode(random::<32>()?);
    let draft = path.with_extension("draft");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    Ok(Secret::from(key))
}
