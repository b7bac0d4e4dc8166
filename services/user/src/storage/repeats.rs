//! Which requests came before: idempotency keys.

use chrono::{DateTime, Utc};
use ring::digest;
use sea_orm::{EntityTrait, Set, sea_query::OnConflict};
use uuid::Uuid;

use super::{
    Result, Transaction,
    entity::idempotency::{ActiveModel, Column, Entity},
};
use crate::domain::{NewAccount, NewRole, Scope, UserId, Username};

/// The key that a caller gave a request.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// Who asked.
    pub caller: String,
    /// The key, of the caller's choice.
    pub key: String,
}

/// What was asked for, in 32 bytes that tell nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<u8>);

impl Fingerprint {
    /// Of a request to create that account.
    pub fn of(new: &NewAccount) -> Self {
        let profile = &new.profile;
        let fields = [
            new.email.as_str(),
            profile.display_name.as_str(),
            profile.locale.as_str(),
            profile.time_zone.as_str(),
            new.username.as_ref().map_or("", Username::as_str),
            profile.given_name.as_str(),
            profile.family_name.as_str(),
            profile.picture.as_str(),
            profile.phone.as_str(),
            &new.public_metadata.to_json(),
            &new.private_metadata.to_json(),
            if new.email_verified { "verified" } else { "" },
        ];
        // What an earlier release did not know is left out when it is not there, so that its keys hold.
        let empty = fields[4..]
            .iter()
            .zip(&EMPTY)
            .all(|(field, empty)| field == empty);
        let known = if empty { &fields[..4] } else { &fields[..] };
        Self::of_fields(known.iter().copied())
    }

    fn of_fields<'f>(fields: impl IntoIterator<Item = &'f str>) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for field in fields {
            // With its length in front, no field can pass for a part of its neighbour.
            hash.update(&(field.len() as u64).to_be_bytes());
            hash.update(field.as_bytes());
        }
        Self(hash.finish().as_ref().to_vec())
    }
}

/// The fields behind the first four when nothing is said of them.
const EMPTY: [&str; 8] = ["", "", "", "", "", "{}", "{}", ""];
impl Fingerprint {
    /// Of a request to create that role.
    pub fn of_role(new: &NewRole) -> Self {
        let scopes = new.scopes.iter().map(Scope::as_str);
        // A word that no account's fingerprint begins with.
        let fields = ["role", new.name.as_str(), new.description.as_str()];
        Self::of_fields(fields.into_iter().chain(scopes))
    }
}

/// An earlier request with the same key.
pub struct Earlier {
    /// What it asked for.
    pub fingerprint: Fingerprint,
    /// The account that it created.
    pub user: UserId,
}

/// The key of the row that is written only to have written; no caller has an empty subject.
const PRETENDED: (&str, &str) = ("", "taken");

impl Transaction {
    /// Writes a row that means nothing, so that the commit costs what that of a new account does. It is
    /// always the same row, with other values: SQLite writes nothing when nothing changes.
    pub async fn pretend(&self, id: UserId, now: DateTime<Utc>) -> Result<()> {
        let row = ActiveModel {
            caller: Set(PRETENDED.0.to_owned()),
            key: Set(PRETENDED.1.to_owned()),
            fingerprint: Set(Vec::new()),
            user_id: Set(id.into()),
            create_time: Set(now),
        };
        let mut replace = OnConflict::columns([Column::Caller, Column::Key]);
        replace.update_columns([Column::UserId, Column::CreateTime]);
        Entity::insert(row)
            .on_conflict(replace)
            .exec_without_returning(&self.tx)
            .await?;
        Ok(())
    }

    /// As [`claim`](Self::claim), for a request that is about to create a role, and answers what the earlier
    /// one asked for.
    pub async fn claim_for_role(
        &self,
        repeat: &Repeat,
        fingerprint: &Fingerprint,
        now: DateTime<Utc>,
    ) -> Result<Option<Fingerprint>> {
        // A role has a name instead, which its fingerprint covers.
        let no_account = Uuid::nil().into();
        let earlier = self.claim(repeat, fingerprint, no_account, now).await?;
        Ok(earlier.map(|earlier| earlier.fingerprint))
    }

    /// Takes a key for a request that is about to create `user`, or answers who had it before. A
    /// request with the same key that is still under way is waited for.
    pub async fn claim(
        &self,
        repeat: &Repeat,
        fingerprint: &Fingerprint,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<Option<Earlier>> {
        let row = ActiveModel {
            caller: Set(repeat.caller.clone()),
            key: Set(repeat.key.clone()),
            fingerprint: Set(fingerprint.0.clone()),
            user_id: Set(user.into()),
            create_time: Set(now),
        };
        let rows = Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.tx)
            .await?;
        if rows == 1 {
            return Ok(None);
        }
        let row = Entity::find_by_id((repeat.caller.clone(), repeat.key.clone()))
            .one(&self.tx)
            .await?
            // Gone between two statements: it was not there to be in the way.
            .ok_or(super::Error::Contended)?;
        Ok(Some(Earlier {
            fingerprint: Fingerprint(row.fingerprint),
            user: row.user_id.into(),
        }))
    }
}
