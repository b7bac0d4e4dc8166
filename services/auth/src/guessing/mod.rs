//! How often somebody may be wrong.
//!
//! Wrong guesses are counted for the account that they are about, whether it exists or not, and for the
//! client that they come from; the delay grows with their number. Who guesses at somebody else's account
//! would lock its owner out that way, so a device on which the owner signed in before has an allowance of
//! its own, and no part in the others' (see [`device`]).

mod device;

use std::{net::IpAddr, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use portico_cache::{Limits, Rate};
use portico_service::config::AuthConfig;
use ring::hmac;
use uuid::Uuid;

pub(crate) use self::device::{Device, Devices};
use crate::{
    domain::{Client, Email},
    error::Error,
    keys::MasterKeys,
};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Counts attempts.
#[derive(Clone)]
pub(crate) struct Guard {
    limits: Limits,
    /// Names in the cache are tags under this key, so that no address lies there.
    names: hmac::Key,
    guesses: Option<[Rate; 3]>,
    guesses_from: Option<[Rate; 3]>,
    mails: Option<[Rate; 2]>,
    mails_for: Option<[Rate; 2]>,
}

/// Attempts that were counted, as if they were wrong.
#[must_use = "an attempt that was right is taken back"]
pub(crate) struct Attempt {
    limits: Limits,
    charges: Vec<Charge>,
}

struct Charge {
    key: String,
    rates: Vec<Rate>,
}

impl Guard {
    pub(crate) fn new(config: &AuthConfig, master: &MasterKeys, limits: Limits) -> Self {
        let guesses = |n: u32| {
            let most = |times: u32| n.saturating_mul(times);
            let rates = [
                Rate::new(n, MINUTE),
                Rate::new(most(3), HOUR),
                Rate::new(most(10), DAY),
            ];
            (n > 0).then_some(rates)
        };
        let mails = |n: u32| {
            let rates = [Rate::new(n, HOUR), Rate::new(n.saturating_mul(5), DAY)];
            (n > 0).then_some(rates)
        };
        Self {
            limits,
            names: hmac::Key::new(hmac::HMAC_SHA256, &master.derive("guessing")),
            guesses: guesses(config.guesses_per_account),
            guesses_from: guesses(config.guesses_per_address),
            mails: mails(config.mails_per_account),
            mails_for: mails(config.mails_per_address),
        }
    }

    /// Counts a guess at an account's password, by the device that it comes from when that is known, else
    /// by the account and the client's address.
    pub(crate) async fn sign_in(
        &self,
        email: &Email,
        client: &Client,
        device: Option<&Device>,
    ) -> Result<Attempt, Error> {
        let charges = match device {
            Some(device) => vec![self.charge("device", &device.name(), self.guesses.as_ref())],
            None => vec![
                self.charge_client("from", client, self.guesses_from.as_ref()),
                self.charge("account", email.key(), self.guesses.as_ref()),
            ],
        };
        self.attempt(charges).await
    }

    /// Counts a guess by somebody who is signed in already, such as at the password before it is changed.
    pub(crate) async fn confirm(&self, what: &str, user_id: Uuid) -> Result<Attempt, Error> {
        let charge = self.charge(what, &user_id.to_string(), self.guesses.as_ref());
        self.attempt(vec![charge]).await
    }

    /// Counts a registration, or another request that sends a mail, for the address that gets it and for
    /// the client.
    pub(crate) async fn mail(&self, email: &Email, client: &Client) -> Result<(), Error> {
        let charges = vec![
            self.charge_client("mails-from", client, self.mails_for.as_ref()),
            self.charge("mails", email.key(), self.mails.as_ref()),
        ];
        self.attempt(charges).await.map(drop)
    }

    /// Says whether something is the first of its kind today.
    pub(crate) async fn first_today(&self, what: &str, whose: &str) -> bool {
        let once = [Rate::new(1, DAY)];
        let Some(charge) = self.charge(what, whose, Some(&once)) else {
            return true;
        };
        self.limits
            .take(&charge.key, &charge.rates, 1)
            .await
            .allowed
    }

    /// Takes from all or from none.
    async fn attempt(&self, charges: Vec<Option<Charge>>) -> Result<Attempt, Error> {
        let mut attempt = Attempt {
            limits: self.limits.clone(),
            charges: Vec::new(),
        };
        for charge in charges.into_iter().flatten() {
            let taken = self.limits.take(&charge.key, &charge.rates, 1).await;
            if !taken.allowed {
                attempt.take_back().await;
                metrics::counter!("auth_attempts_refused_total").increment(1);
                return Err(Error::TooManyAttempts(taken.retry_after));
            }
            attempt.charges.push(charge);
        }
        Ok(attempt)
    }

    fn charge(
        &self,
        what: &str,
        whose: &str,
        rates: Option<&impl AsRef<[Rate]>>,
    ) -> Option<Charge> {
        let rates = rates?.as_ref().to_vec();
        let mut tag = hmac::Context::with_key(&self.names);
        tag.update(what.as_bytes());
        tag.update(&[0]);
        tag.update(whose.as_bytes());
        let name = BASE64_URL_SAFE_NO_PAD.encode(&tag.sign().as_ref()[..16]);
        let key = format!("auth:attempts:{{{name}}}");
        Some(Charge { key, rates })
    }

    fn charge_client(
        &self,
        what: &str,
        client: &Client,
        rates: Option<&impl AsRef<[Rate]>>,
    ) -> Option<Charge> {
        // A call that came round the edge, from within the deployment, has no address.
        self.charge(what, &network(&client.ip_address)?, rates)
    }
}

impl Attempt {
    /// It was right, or nobody learnt whether it was.
    pub(crate) async fn take_back(self) {
        for charge in &self.charges {
            self.limits.put_back(&charge.key, &charge.rates, 1).await;
        }
    }

    /// Takes the attempt back unless its outcome says that it was wrong.
    pub(crate) async fn settle<T>(self, outcome: &Result<T, Error>) {
        if !matches!(outcome, Err(Error::InvalidCredentials)) {
            self.take_back().await;
        }
    }
}

/// Whom an address stands for: itself, or for IPv6 the /64 of which somebody has every address.
fn network(address: &str) -> Option<String> {
    Some(match address.parse().ok()? {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << 64);
            format!("{}/64", std::net::Ipv6Addr::from_bits(bits))
        }
    })
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guard")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_with_a_network_of_version_6_is_one_client() {
        assert_eq!(network("203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network(""), None);
    }
}
