//! The data folder: the databases, and beside them what must not get lost between two starts.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use portico_service::{Config, Secret};
use ring::rand::{SecureRandom, SystemRandom};

const MASTER_KEY: &str = "master.key";

/// Locked by the process that serves from the folder. The system lets go of it however that one ends.
const LOCK: &str = "lock";

/// A data folder that nobody else serves from as long as this lives: revocations, leases and the order
/// of writers are kept in the memory of one process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Makes the data folder, for its owner alone, and locks it. Where no master key is configured, the one
/// that lies in the folder is used, and made on the first start.
pub fn prepare(config: &Config) -> anyhow::Result<(Config, Folder)> {
    let mut config = config.clone();
    let folder = Folder::open(&config.data_dir)
        .with_context(|| format!("the data folder {}", config.data_dir.display()))?;
    if config.auth.master_key.is_none() {
        config.auth.master_key = Some(folder.master_key()?);
    }
    Ok((config, folder))
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

impl Folder {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(path)?;
        let lock = private().create(true).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another process serves from it"),
            Err(TryLockError::Error(error)) => return Err(error).context("it cannot be locked"),
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Reads the key, or makes one.
    fn master_key(&self) -> anyhow::Result<Secret> {
        if let Some(key) = self.read(MASTER_KEY)? {
            return Ok(Secret::from(key.expose().trim_end()));
        }
        let key = Secret::from(BASE64_STANDARD.encode(random::<32>()?));
        self.write(MASTER_KEY, &key)?;
        Ok(key)
    }

    /// What a file of the folder holds; `None` when there is no such file.
    pub fn read(&self, name: &str) -> anyhow::Result<Option<Secret>> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(Secret::from(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(path.display().to_string()),
        }
    }

    /// Writes a file for the owner alone. It is complete under its name, for good, or not there at all.
    pub fn write(&self, name: &str, text: &Secret) -> anyhow::Result<()> {
        let path = self.path.join(name);
        let draft = path.with_extension("draft");
        let writing = || {
            remove(&draft)?;
            let mut file = private().create_new(true).open(&draft)?;
            file.write_all(text.expose().as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            // The name, too, must outlast a power cut: what is written next relies on it.
            #[cfg(unix)]
            File::open(&self.path)?.sync_all()?;
            io::Result::Ok(())
        };
        writing().with_context(|| path.display().to_string())
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path.join(name);
        remove(&path).with_context(|| path.display().to_string())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
