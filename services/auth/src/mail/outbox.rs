//! Sending what waits in the outbox.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use portico_telemetry::trace;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::{Kind, Mail, letter::Letter, sender::Failure};
use crate::{
    core::Core,
    domain::{Email, Status},
    error::Error,
    links::{Link, LinkToken, Purpose},
    storage::{Account, QueuedMail},
};

/// How many mails are sent at once.
const BATCH: u32 = 8;

/// How long a mail belongs to whoever claimed it: longer than any sending takes.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// How often somebody looks who was not called.
const EVERY: Duration = Duration::from_secs(1);

/// How long a mail lies after somebody was called for it. What is done for it, which hangs on whether there
/// is an account, must not be felt in the answer to whoever asked.
const REST: Duration = Duration::from_millis(100);

/// How often the outbox is measured.
const MEASURE: TimeDelta = TimeDelta::seconds(15);

/// The first pause after a failure, which doubles, and the longest.
const PAUSE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(5), TimeDelta::minutes(15));

/// Sends mails until `stop`. Every process does; each mail is claimed by one.
pub(crate) async fn run(core: Arc<Core>, stop: CancellationToken) {
    let working = async {
        let mut measured = None;
        loop {
            let now = core.clock.now();
            if measured.is_none_or(|at| now - at >= MEASURE) {
                measured = Some(now);
                measure(&core, now).await;
            }
            match send_due(&core).await {
                Ok(sent) if sent == BATCH as usize => continue,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "cannot look into the outbox"),
            }
            // Called, or after a while.
            if tokio::time::timeout(EVERY, core.outbox.notified())
                .await
                .is_ok()
            {
                tokio::time::sleep(REST).await;
            }
        }
    };
    stop.run_until_cancelled(working).await;
}

/// Shows what waits in the outbox.
async fn measure(core: &Core, now: DateTime<Utc>) {
    let (number, oldest) = match core.storage.mails_waiting().await {
        Ok(waiting) => waiting,
        Err(error) => return tracing::debug!(%error, "cannot look into the outbox"),
    };
    let age = oldest.map_or(TimeDelta::zero(), |oldest| now - oldest);
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    metrics::gauge!("auth_mails_waiting").set(number);
    metrics::gauge!("auth_mails_oldest_seconds").set(age.as_seconds_f64().max(0.0));
}

/// Sends what is due, at most a batch. Says how many mails it took up.
async fn send_due(core: &Core) -> Result<usize, Error> {
    let now = core.clock.now();
    let claimed = core.storage.claim_mails(now, now + LEASE, BATCH).await?;
    let count = claimed.len();
    let sending = claimed.into_iter().map(|waiting| {
        let kind = waiting.mail.kind.as_str();
        let span = trace::caused_by(
            waiting.cause.as_deref(),
            || tracing::info_span!("send-mail", mail.kind = kind, mail.id = %waiting.id),
        );
        send(core, waiting).instrument(span)
    });
    join_all(sending).await;
    Ok(count)
}

async fn send(core: &Core, waiting: QueuedMail) {
    let kind = waiting.mail.kind;
    let outcome = match deliver(core, &waiting).await {
        Ok(Outcome::Sent) => "sent",
        Ok(Outcome::Nobody) => "nobody",
        Err(Failure::Hopeless(cause)) => {
            tracing::warn!(mail = %waiting.id, kind = kind.as_str(), cause, "a mail was given up");
            "given_up"
        }
        Err(Failure::Later(cause)) => {
            let now = core.clock.now();
            if now - waiting.create_time < patience(kind) {
                let due = now + pause(waiting.attempts);
                tracing::warn!(mail = %waiting.id, kind = kind.as_str(), cause, "a mail has to wait");
                metrics::counter!("auth_mails_total", "kind" => kind.as_str(), "outcome" => "later")
                    .increment(1);
                if let Err(error) = core.storage.postpone_mail(waiting.id, due).await {
                    tracing::debug!(%error, "a mail waits until its claim is over");
                }
                return;
            }
            tracing::error!(mail = %waiting.id, kind = kind.as_str(), cause, "a mail grew too old");
            "too_old"
        }
    };
    metrics::counter!("auth_mails_total", "kind" => kind.as_str(), "outcome" => outcome)
        .increment(1);
    if let Err(error) = core.storage.remove_mail(waiting.id).await {
        tracing::warn!(%error, mail = %waiting.id, "a mail may go out twice");
    }
}

enum Outcome {
    Sent,
    /// There is nobody to whom it could go.
    Nobody,
}

async fn deliver(core: &Core, waiting: &QueuedMail) -> Result<Outcome, Failure> {
    let later = |error: Error| Failure::Later(error.to_string());
    let Some((to, letter)) = write(core, &waiting.mail).await.map_err(later)? else {
        return Ok(Outcome::Nobody);
    };
    let now = core.clock.now();
    core.sender.send(waiting.id, &to, letter, now).await?;
    Ok(Outcome::Sent)
}

/// Writes a mail, with a link where it has one; `None` when there is nobody for it any more.
async fn write(core: &Core, mail: &Mail) -> Result<Option<(Email, Letter)>, Error> {
    let mut to = mail.email.clone();
    let link = match mail.kind {
        Kind::Verify | Kind::Reset | Kind::Taken => {
            let account = core.storage.addressee(to.key()).await?;
            let Some(account) = account.filter(|account| is_for(mail, account)) else {
                return Ok(None);
            };
            // Not to what somebody typed: letters that are the same in lower case may lead elsewhere.
            to = account.email;
            let purpose = match mail.kind {
                Kind::Verify => Some(Purpose::Verify),
                Kind::Reset => Some(Purpose::Reset),
                _ => None,
            };
            match purpose {
                Some(purpose) => Some(make_link(core, purpose, (account.id, &to, &to)).await?),
                None => None,
            }
        }
        Kind::NewAddress => {
            let Some(user_id) = mail.user_id else {
                return Ok(None);
            };
            if let Some(owner) = core.storage.addressee(to.key()).await? {
                // Whoever has the address learns of it; whoever asked learns nothing.
                let taken = Mail::to_address(Kind::Taken, &owner.email);
                return Ok(Some((owner.email, Letter::write(&taken, None))));
            }
            let previous = Email::new(&mail.details.previous_email);
            Some(make_link(core, Purpose::Change, (user_id, &to, &previous)).await?)
        }
        Kind::AddressAsked
        | Kind::AddressChanged
        | Kind::PasswordChanged
        | Kind::NewDevice
        | Kind::PasswordUsed
        | Kind::FactorAdded
        | Kind::FactorsRemoved
        | Kind::CodesReplaced
        | Kind::FactorsReset => None,
    };
    let letter = Letter::write(mail, link);
    Ok(Some((to, letter)))
}

/// Whether an account is still one that a mail is for.
fn is_for(mail: &Mail, account: &Account) -> bool {
    match mail.kind {
        Kind::Verify => {
            account.status != Status::Deleted
                && !account.email_verified
                && mail.user_id.is_none_or(|id| id == account.id)
        }
        Kind::Reset => account.status == Status::Active,
        _ => account.status != Status::Deleted,
    }
}

/// Makes a link, which takes the place of an older one, and answers where it leads.
async fn make_link(
    core: &Core,
    purpose: Purpose,
    (user_id, email, previous): (Uuid, &Email, &Email),
) -> Result<String, Error> {
    let token = LinkToken::new(&core.random);
    let link = Link {
        user_id,
        purpose,
        email: email.clone(),
        previous_email: previous.clone(),
    };
    let expire_time = core.clock.now() + purpose.life();
    core.storage
        .put_link(&link, &token.hash(), expire_time)
        .await?;
    Ok(core.links.page(purpose, &token))
}

/// How long a mail is tried.
fn patience(kind: Kind) -> TimeDelta {
    match kind {
        // Nobody waits longer for one that they asked for themselves.
        Kind::Reset => TimeDelta::hours(1),
        Kind::Verify
        | Kind::Taken
        | Kind::NewAddress
        | Kind::AddressAsked
        | Kind::AddressChanged
        | Kind::PasswordChanged
        | Kind::NewDevice
        | Kind::PasswordUsed
        | Kind::FactorAdded
        | Kind::FactorsRemoved
        | Kind::CodesReplaced
        | Kind::FactorsReset => TimeDelta::days(1),
    }
}

fn pause(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(0)
        .min(16);
    let pause = PAUSE.0 * i32::try_from(1_u32 << doublings).unwrap_or(i32::MAX);
    pause.min(PAUSE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<i64> = (1..11).map(|n| pause(n).num_seconds()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(pause(i32::MAX), PAUSE.1);
    }
}
