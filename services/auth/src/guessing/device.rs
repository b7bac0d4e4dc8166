//! Devices on which somebody has signed in before.
//!
//! A REST API has no cookie to know a device by, and an address is shared by an office and changes on the
//! way home. So a sign-in answers a token for the device, which the next one presents. It opens nothing: a
//! guess that comes with it is counted by itself, which is worth nothing to anybody who cannot sign in
//! once. It is bound to the account's address and needs no row anywhere.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;

use crate::{
    domain::{Email, Random},
    keys::MasterKeys,
};

/// How long a device is known after the last sign-in on it.
const LIFE: TimeDelta = TimeDelta::days(180);

/// Makes and knows tokens of devices: 16 random bytes, the second of issue, and a tag over both and the
/// account's address.
#[derive(Clone)]
pub(crate) struct Devices(Vec<hmac::Key>);

/// A device on which somebody has signed in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Device([u8; 16]);

impl Devices {
    pub(crate) fn new(master: &MasterKeys) -> Self {
        let keys = master.derive_all("device");
        let keys = keys
            .iter()
            .map(|key| hmac::Key::new(hmac::HMAC_SHA256, key));
        Self(keys.collect())
    }

    /// The device that a token stands for, when it was made for this address.
    pub(crate) fn read(&self, token: &str, email: &Email, now: DateTime<Utc>) -> Option<Device> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claim, tag) = bytes.split_at_checked(24)?;
        let (id, issued) = claim.split_at(16);
        let message = message(claim, email);
        let good = |key: &hmac::Key| hmac::verify(key, &message, tag).is_ok();
        if !self.0.iter().any(good) {
            return None;
        }
        let issued = DateTime::from_timestamp(i64::from_be_bytes(issued.try_into().ok()?), 0)?;
        (now - issued <= LIFE).then(|| Device(id.try_into().expect("has sixteen bytes")))
    }

    /// A token for a device that was known, or for a new one.
    pub(crate) fn issue(
        &self,
        device: Option<&Device>,
        email: &Email,
        now: DateTime<Utc>,
        random: &Random,
    ) -> String {
        let id = device.map_or_else(|| random.bytes(), |device| device.0);
        let mut bytes = id.to_vec();
        bytes.extend(now.timestamp().to_be_bytes());
        let key = self.0.first().expect("master keys are at least one");
        let tag = hmac::sign(key, &message(&bytes, email));
        bytes.extend(tag.as_ref());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl Device {
    /// Tells it from all others.
    pub(crate) fn name(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }
}

fn message(claim: &[u8], email: &Email) -> Vec<u8> {
    let mut message = claim.to_vec();
    message.extend(email.key().as_bytes());
    message
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Devices(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_address_and_its_time() {
        let key = base64::prelude::BASE64_STANDARD.encode([7; 32]);
        let devices = Devices::new(&MasterKeys::parse(&key).expect("a good key"));
        let (ada, bob) = (Email::new("Ada@example.com"), Email::new("bob@example.com"));
        let random = Random::system();
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
        let token = devices.issue(None, &ada, now, &random);
        let device = devices.read(&token, &Email::new("ada@example.com"), now + LIFE);
        assert!(device.is_some());
        assert!(devices.read(&token, &bob, now).is_none());
        let late = now + LIFE + TimeDelta::seconds(1);
        assert!(devices.read(&token, &ada, late).is_none());
        for forged in ["", "AAAA", &"A".repeat(75), &token[..74]] {
            assert!(devices.read(forged, &ada, now).is_none(), "{forged}");
        }
        let again = devices.issue(device.as_ref(), &ada, late, &random);
        assert!(
            devices.read(&again, &ada, late) == device,
            "it stays the same device"
        );
        let other = devices.issue(None, &ada, now, &random);
        assert!(devices.read(&other, &ada, now) != device);
    }
}
