//! Mails that wait, and the links in those that were sent.

use chrono::{DateTime, TimeDelta, Utc};
use portico_telemetry::trace::current_cause;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{Error, Expiring, Result, Storage, Transaction, all, execute, one};
use crate::{
    domain::{Email, Random},
    links::{Link, Purpose},
    mail::{Kind, Mail},
    tokens::Hash,
};

/// Links that nobody opened.
pub(crate) const LINKS: Expiring = Expiring {
    table: "links",
    key: "token_hash",
    over: "expire_time < $1",
    keep: |_| TimeDelta::zero(),
};

/// A mail that was claimed.
#[derive(Debug)]
pub(crate) struct QueuedMail {
    pub(crate) id: Uuid,
    pub(crate) mail: Mail,
    pub(crate) create_time: DateTime<Utc>,
    /// How often it was claimed, this time included.
    pub(crate) attempts: i32,
    /// The trace in which it was queued, if that was recorded.
    pub(crate) cause: Option<String>,
}

#[derive(FromQueryResult)]
struct MailRow {
    id: Uuid,
    kind: String,
    user_id: Option<Uuid>,
    email: String,
    details: String,
    create_time: DateTime<Utc>,
    attempts: i32,
    traceparent: Option<String>,
}

impl TryFrom<MailRow> for QueuedMail {
    type Error = Error;

    fn try_from(row: MailRow) -> Result<Self> {
        let corrupt = || Error::Corrupt("mails");
        Ok(Self {
            id: row.id,
            mail: Mail {
                kind: Kind::parse(&row.kind).ok_or_else(corrupt)?,
                user_id: row.user_id,
                email: Email::new(&row.email),
                details: serde_json::from_str(&row.details).map_err(|_| corrupt())?,
            },
            create_time: row.create_time,
            attempts: row.attempts,
            cause: row.traceparent,
        })
    }
}

#[derive(FromQueryResult)]
struct LinkRow {
    user_id: Uuid,
    purpose: String,
    email: String,
    previous_email: String,
}

impl Storage {
    /// Puts a mail into the outbox.
    pub(crate) async fn queue_mail(
        &self,
        mail: &Mail,
        now: DateTime<Utc>,
        random: &Random,
    ) -> Result<()> {
        queue(&self.db, mail, now, random).await
    }

    /// Claims mails that are due, the longest due first: nobody else gets them until `until`. One that
    /// this program cannot read is left to a newer one.
    pub(crate) async fn claim_mails(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        most: u32,
    ) -> Result<Vec<QueuedMail>> {
        let lock = if self.is_private() {
            ""
        } else {
            "FOR UPDATE SKIP LOCKED"
        };
        let sql = format!(
            "UPDATE mails SET due_time = $2, attempts = attempts + 1 WHERE id IN \
             (SELECT id FROM mails WHERE due_time <= $1 ORDER BY due_time LIMIT {most} {lock}) \
             RETURNING id, kind, user_id, email, details, create_time, attempts, traceparent"
        );
        let rows: Vec<MailRow> = all(&self.db, &sql, [now.into(), until.into()]).await?;
        let mut claimed = Vec::new();
        for row in rows {
            match QueuedMail::try_from(row) {
                Ok(waiting) => claimed.push(waiting),
                Err(error) => tracing::error!(%error, "a mail cannot be read"),
            }
        }
        Ok(claimed)
    }

    /// How many mails wait, counted up to a thousand, and since when the oldest has.
    pub(crate) async fn mails_waiting(&self) -> Result<(i64, Option<DateTime<Utc>>)> {
        #[derive(FromQueryResult)]
        struct Row {
            number: i64,
            oldest: Option<DateTime<Utc>>,
        }
        let sql = "SELECT COUNT(*) AS number, MIN(create_time) AS oldest FROM \
                   (SELECT create_time FROM mails ORDER BY due_time LIMIT 1000) AS waiting";
        let row: Option<Row> = one(&self.db, sql, []).await?;
        Ok(row.map_or((0, None), |row| (row.number, row.oldest)))
    }

    /// Gives a mail back until a moment.
    pub(crate) async fn postpone_mail(&self, id: Uuid, due: DateTime<Utc>) -> Result<()> {
        let sql = "UPDATE mails SET due_time = $2 WHERE id = $1";
        execute(&self.db, sql, [id.into(), due.into()]).await?;
        Ok(())
    }

    /// Forgets a mail.
    pub(crate) async fn remove_mail(&self, id: Uuid) -> Result<()> {
        execute(&self.db, "DELETE FROM mails WHERE id = $1", [id.into()]).await?;
        Ok(())
    }

    /// Stores a link, in place of an older one for the same purpose.
    pub(crate) async fn put_link(
        &self,
        link: &Link,
        token: &Hash,
        expire_time: DateTime<Utc>,
    ) -> Result<()> {
        execute(
            &self.db,
            "INSERT INTO links \
             (user_id, purpose, token_hash, email, previous_email, expire_time) \
             VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (user_id, purpose) DO UPDATE SET \
             token_hash = excluded.token_hash, email = excluded.email, \
             previous_email = excluded.previous_email, expire_time = excluded.expire_time",
            [
                link.user_id.into(),
                link.purpose.as_str().into(),
                token.to_vec().into(),
                link.email.as_str().into(),
                link.previous_email.as_str().into(),
                expire_time.into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// The link of a token, while it works.
    pub(crate) async fn link(&self, token: &Hash, now: DateTime<Utc>) -> Result<Option<Link>> {
        let row: Option<LinkRow> = one(
            &self.db,
            "SELECT user_id, purpose, email, previous_email FROM links \
             WHERE token_hash = $1 AND expire_time > $2",
            [token.to_vec().into(), now.into()],
        )
        .await?;
        row.map(|row| {
            Ok(Link {
                user_id: row.user_id,
                purpose: Purpose::parse(&row.purpose).ok_or(Error::Corrupt("links"))?,
                email: Email::new(&row.email),
                previous_email: Email::new(&row.previous_email),
            })
        })
        .transpose()
    }
}

impl Transaction {
    /// Puts a mail into the outbox, from where it goes out once the transaction stands.
    pub(crate) async fn queue_mail(
        &self,
        mail: &Mail,
        now: DateTime<Utc>,
        random: &Random,
    ) -> Result<()> {
        queue(&self.0, mail, now, random).await
    }

    /// Uses a link up. Says whether it was still there: of several who open it at once, one does.
    pub(crate) async fn take_link(&self, token: &Hash) -> Result<bool> {
        let sql = "DELETE FROM links WHERE token_hash = $1";
        Ok(execute(&self.0, sql, [token.to_vec().into()]).await? == 1)
    }

    /// Ends every link of an account, and those to another address that are still to be sent.
    pub(crate) async fn end_links(&self, user_id: Uuid) -> Result<()> {
        execute(
            &self.0,
            "DELETE FROM mails WHERE user_id = $1 AND kind = $2",
            [user_id.into(), Kind::NewAddress.as_str().into()],
        )
        .await?;
        execute(
            &self.0,
            "DELETE FROM links WHERE user_id = $1",
            [user_id.into()],
        )
        .await?;
        Ok(())
    }
}

async fn queue(
    on: &impl ConnectionTrait,
    mail: &Mail,
    now: DateTime<Utc>,
    random: &Random,
) -> Result<()> {
    let details = serde_json::to_string(&mail.details).expect("details are texts");
    execute(
        on,
        "INSERT INTO mails \
         (id, kind, user_id, email, details, traceparent, create_time, due_time, attempts) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 0)",
        [
            random.uuid(now).into(),
            mail.kind.as_str().into(),
            mail.user_id.into(),
            mail.email.as_str().into(),
            details.into(),
            current_cause().into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}
