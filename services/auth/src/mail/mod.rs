//! Mails: what is written in them, the outbox in which they wait, and how they go out.
//!
//! A mail is queued in the transaction that is the reason for it, and sent by whoever claims it first. So
//! none is lost in a crash, and one may go out twice when a crash comes between the server's yes and ours.
//! The token of a link is made when its mail is written, so the outbox holds no secret, and whoever asks
//! for a link to an address that no account has costs exactly what others cost.

mod letter;
mod outbox;
mod sender;

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::{outbox::run, sender::Sender};
use crate::domain::{Client, Email};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// What a mail is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// The word that is stored.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The kind of that word.
            pub(crate) fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// A link that verifies the address of an account.
    Verify = "verify",
    /// Somebody registered with the address of an account.
    Taken = "taken",
    /// A link for a new password.
    Reset = "reset",
    /// A link that makes an address the account's, sent there.
    NewAddress = "new_address",
    /// Somebody asked for another address; told to the one so far.
    AddressAsked = "address_asked",
    /// The account has another address; told to the one before.
    AddressChanged = "address_changed",
    /// The password was changed.
    PasswordChanged = "password_changed",
    /// Somebody signed in on a device that is not known.
    NewDevice = "new_device",
    /// Somebody knew the password on such a device, and was asked for a second factor.
    PasswordUsed = "password_used",
    /// An authenticator application was added, or took the place of another.
    FactorAdded = "factor_added",
    /// The second factors were removed by their owner.
    FactorsRemoved = "factors_removed",
    /// The recovery codes were replaced.
    CodesReplaced = "codes_replaced",
    /// The second factors were removed by an administrator.
    FactorsReset = "factors_reset",
}

/// A mail that has to be sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) kind: Kind,
    /// The account, where it is known.
    pub(crate) user_id: Option<Uuid>,
    /// Where it goes.
    pub(crate) email: Email,
    pub(crate) details: Details,
}

/// What a mail tells besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    /// The address so far, where there is to be another.
    pub(crate) previous_email: String,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
    pub(crate) device_name: String,
}

impl Mail {
    /// A mail to an address, of which it is not known whether an account has it.
    pub(crate) fn to_address(kind: Kind, email: &Email) -> Self {
        Self {
            kind,
            user_id: None,
            email: email.clone(),
            details: Details::default(),
        }
    }

    /// A mail to a person.
    pub(crate) fn to_account(kind: Kind, user_id: Uuid, email: &Email) -> Self {
        Self {
            user_id: Some(user_id),
            ..Self::to_address(kind, email)
        }
    }

    /// Tells where what it is about came from.
    pub(crate) fn asked_by(mut self, client: &Client) -> Self {
        self.details.user_agent.clone_from(&client.user_agent);
        self.details.ip_address.clone_from(&client.ip_address);
        self.details.device_name.clone_from(&client.device_name);
        self
    }

    /// Tells the address so far.
    pub(crate) fn instead_of(mut self, email: &Email) -> Self {
        email.as_str().clone_into(&mut self.details.previous_email);
        self
    }
}

/// Addresses stay out of logs.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("kind", &self.kind)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}
