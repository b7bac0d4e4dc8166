//! From a code that somebody typed to a proof that is used up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    core::Core,
    domain::Assurance,
    error::Error,
    factors::{Code, Digits, TotpSecret},
    storage::{Attempt, Sealed, Transaction},
    tokens::Hash,
};

/// A code that may be right. Only [`take`](Self::take), in the transaction that acts on it, tells.
pub(super) enum Proof {
    /// The code of a time step.
    Totp(i64),
    Recovery(Hash),
    /// The first code of a secret that waits to be confirmed. An account's other factor gives way to it
    /// only when `replace` says so.
    Enrolment {
        secret: Sealed,
        step: i64,
        replace: bool,
    },
}

impl Proof {
    /// Compares a code with the account's factors, and counts the attempt.
    pub(super) async fn of(core: &Core, user_id: Uuid, typed: &str) -> Result<Self, Error> {
        match Code::parse(typed) {
            None => Err(Error::InvalidCode),
            Some(Code::Recovery(recovery)) => Ok(Self::Recovery(recovery.hash(user_id))),
            Some(Code::Totp(digits)) => {
                let now = core.clock.now();
                let sealed = match core.storage.try_totp(user_id, now).await? {
                    Attempt::Sealed(sealed) => sealed,
                    Attempt::NoFactor => return Err(Error::NotEnrolled),
                    Attempt::NotBefore(second) => {
                        let wait = u64::try_from(second - now.timestamp()).unwrap_or(1);
                        return Err(Error::TooManyCodes(Duration::from_secs(wait.max(1))));
                    }
                };
                step_of(core, user_id, &sealed, &digits).map(Self::Totp)
            }
        }
    }

    /// Compares a code with the secret that waits to be confirmed, and counts the attempt.
    pub(super) async fn of_enrolment(
        core: &Core,
        user_id: Uuid,
        typed: &str,
        replace: bool,
    ) -> Result<Self, Error> {
        let Some(Code::Totp(digits)) = Code::parse(typed) else {
            return Err(Error::InvalidCode);
        };
        let now = core.clock.now();
        let secret = core.storage.try_enrolment(user_id, now).await?;
        let secret = secret.ok_or(Error::NothingToConfirm)?;
        let step = step_of(core, user_id, &secret.sealed, &digits)?;
        Ok(Self::Enrolment {
            secret,
            step,
            replace,
        })
    }

    /// Uses the proof up, once, and answers what it proves beside a password.
    pub(super) async fn take(
        self,
        tx: &Transaction,
        user_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Assurance, Error> {
        let (good, proved) = match self {
            Self::Totp(step) => (tx.accept_totp(user_id, step).await?, Assurance::Totp),
            Self::Recovery(hash) => (
                tx.use_recovery_code(user_id, &hash).await?,
                Assurance::RecoveryCode,
            ),
            Self::Enrolment {
                secret,
                step,
                replace,
            } => {
                let confirming = tx.confirm_enrolment(user_id, &secret, step, replace, now);
                if !confirming.await? {
                    return Err(Error::NothingToConfirm);
                }
                (true, Assurance::Totp)
            }
        };
        good.then_some(proved).ok_or(Error::InvalidCode)
    }
}

fn step_of(core: &Core, user_id: Uuid, sealed: &[u8], digits: &Digits) -> Result<i64, Error> {
    let secret = core.mfa.vault.open(&user_id.to_string(), sealed);
    let secret = secret.and_then(|bytes| TotpSecret::from_stored(&bytes));
    let secret = secret.ok_or_else(|| Error::SealedFactor(user_id))?;
    secret
        .step_of(digits, core.clock.now())
        .ok_or(Error::InvalidCode)
}
