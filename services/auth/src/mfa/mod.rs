//! Second factors: when one is due, how it is proved, and how a person's own are changed.

mod codes;
mod manage;
mod sign_in;
mod step_up;

use chrono::TimeDelta;
use portico_service::config::AuthConfig;

pub(crate) use self::{
    manage::{confirm, enroll, overview, regenerate, remove, reset},
    sign_in::{Challenge, Due, due, enroll_at_sign_in, verify},
    step_up::{Person, lately, prove, with_factor},
};
use crate::{
    core::Core,
    domain::Assurance,
    error::Error,
    keys::{MasterKeys, Vault},
    storage::Sealed,
};

/// How long a secret waits to be confirmed.
const ENROLMENT_LIFE: TimeDelta = TimeDelta::minutes(10);

/// How many codes may be tried for one secret that waits, and for one challenge.
const ATTEMPTS: i64 = 5;

/// How many secrets are encrypted anew in one go.
const RESEAL: u32 = 500;

/// What second factors are kept under, and who must have one.
#[derive(Debug)]
pub(crate) struct Policy {
    vault: Vault,
    /// The name that applications show.
    issuer: String,
    required_roles: Vec<String>,
    /// How old the last proof may be when factors are changed.
    step_up: TimeDelta,
}

impl Policy {
    pub(crate) fn new(config: &AuthConfig, master: &MasterKeys) -> Self {
        let roles = config.mfa_required_roles.split(',').map(str::trim);
        let seconds = i64::try_from(config.step_up_seconds).unwrap_or(i64::MAX / 1_000_000);
        Self {
            vault: Vault::new(master, "second-factors"),
            issuer: config.totp_issuer.clone(),
            required_roles: roles
                .filter(|role| !role.is_empty())
                .map(str::to_owned)
                .collect(),
            step_up: TimeDelta::seconds(seconds),
        }
    }

    /// Whether one of the roles demands a second factor.
    pub(crate) fn demanded_of(&self, roles: &[String]) -> bool {
        roles.iter().any(|role| self.required_roles.contains(role))
    }

    /// Whether a session that was proved this far serves an account of these roles.
    pub(crate) fn satisfied(&self, roles: &[String], assurance: Assurance) -> bool {
        assurance.has_factor() || !self.demanded_of(roles)
    }
}

/// Encrypts under the first master key what another one has encrypted. Says whether that was all.
pub(crate) async fn reseal(core: &Core) -> Result<bool, Error> {
    let vault = &core.mfa.vault;
    let stale = core
        .storage
        .factors_sealed_otherwise(vault.key_id(), RESEAL)
        .await?;
    let all = stale.len() < RESEAL as usize;
    for (user_id, sealed) in stale {
        let name = user_id.to_string();
        let Some(secret) = vault.open(&name, &sealed) else {
            tracing::error!(%user_id, "a second factor does not open under any key of AUTH__MASTER_KEY");
            continue;
        };
        let new = Sealed {
            sealed: vault.seal(&name, &secret, &core.random),
            key_id: vault.key_id().to_owned(),
        };
        core.storage.reseal_factor(user_id, sealed, &new).await?;
    }
    Ok(all)
}
