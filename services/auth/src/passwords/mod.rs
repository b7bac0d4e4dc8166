//! Passwords: which are accepted, how they are hashed, and how many are hashed at once.

pub(crate) mod breached;
mod common;
mod hasher;
mod pool;
mod scheme;
mod text;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use portico_proto::error::Violation;
use portico_service::config::AuthConfig;

use crate::{
    domain::{Email, Random},
    error::Error,
};

pub(crate) use self::{
    breached::Breached,
    hasher::{Hasher, Phc, Verdict},
    pool::{Overloaded, Pool, Room},
    text::{NewPassword, Password},
};

/// How passwords are hashed, and where.
#[derive(Debug)]
pub(crate) struct Passwords {
    hasher: Hasher,
    pool: Pool,
    /// Stands in for the hash of an account that has none.
    dummy: Phc,
    breached: Option<Arc<Breached>>,
    random: Random,
}

impl Passwords {
    pub(crate) fn new(config: &AuthConfig, random: &Random) -> anyhow::Result<Self> {
        let hasher = Hasher::new(
            config.argon2_memory_kib,
            config.argon2_iterations,
            config.argon2_parallelism,
        )?;
        let open = |path: &PathBuf| {
            Breached::open(path)
                .map(Arc::new)
                .with_context(|| format!("AUTH__BREACHED_PASSWORDS {}", path.display()))
        };
        Ok(Self {
            dummy: hasher.dummy(random),
            pool: Pool::new(config.hashing_threads, config.hashing_queue)
                .context("the threads that hash passwords do not start")?,
            breached: config.breached_passwords.as_ref().map(open).transpose()?,
            random: random.clone(),
            hasher,
        })
    }

    /// Room for one caller whose password is to be verified; refused at once when there is none. Who takes it
    /// first of all costs nothing else when they are refused.
    pub(crate) fn admit(&self) -> Result<Room, Overloaded> {
        self.pool.admit()
    }

    /// Whether a password belongs to a hash, told when a thread is free. Without a hash it takes as long,
    /// and belongs to none.
    pub(crate) async fn verify(
        &self,
        room: &Room,
        password: Password,
        phc: Option<&Phc>,
    ) -> Result<(Password, Verdict), Overloaded> {
        let hasher = self.hasher.clone();
        let phc = phc.unwrap_or(&self.dummy).clone();
        self.pool
            .run(room, move |memory| {
                let verdict = hasher.verify(&password, &phc, memory);
                (password, verdict)
            })
            .await
    }

    /// Hashes a password that the account of an address is to get, when a thread is free.
    pub(crate) async fn hash(&self, password: NewPassword, owner: &Email) -> Result<Phc, Error> {
        let checked = password.check_owner(owner);
        checked.map_err(|fault| Error::Invalid(vec![fault]))?;
        let (hasher, salt) = (self.hasher.clone(), self.random.bytes());
        let breached = self.breached.clone();
        let room = self.pool.admit()?;
        let hashing = self.pool.run(&room, move |memory| {
            let known = breached.map_or(Ok(false), |list| list.contains(password.as_str()));
            match known {
                Ok(true) => Err(Error::Invalid(vec![Violation::new(
                    password.field(),
                    "is known from a breach elsewhere; choose another one",
                )])),
                Ok(false) => Ok(hasher.hash(password.as_str(), salt, memory)),
                Err(error) => Err(Error::BreachedPasswords(error)),
            }
        });
        hashing.await?
    }

    /// Hashes a password anew that an account has already, for a caller whose room it is.
    pub(crate) async fn hash_anew(
        &self,
        room: &Room,
        password: Password,
    ) -> Result<Phc, Overloaded> {
        let (hasher, salt) = (self.hasher.clone(), self.random.bytes());
        self.pool
            .run(room, move |memory| {
                hasher.hash(password.normal(), salt, memory)
            })
            .await
    }
}
