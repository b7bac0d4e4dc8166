//! The second half of a sign-in.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};

use super::{ATTEMPTS, codes::Proof, manage};
use crate::{
    core::{Core, Grant},
    domain::{Client, Status},
    error::Error,
    factors::Enrolment,
    login,
    mail::Kind,
    storage::{Account, Method, Waiting},
    tokens::{Hash, sha256},
};

/// How long a person has for the second half.
const LIFE: TimeDelta = TimeDelta::minutes(5);

/// What has to be answered before a session is opened.
pub(crate) struct Challenge {
    pub(crate) token: String,
    /// What is accepted.
    pub(crate) methods: &'static [&'static str],
    pub(crate) expire_time: DateTime<Utc>,
}

/// What a right password leads to.
pub(crate) enum Due {
    /// It is enough.
    Nothing,
    Challenge(Challenge),
    /// It is not the account's password any more.
    Outdated,
}

/// What is asked of an account whose password was right. One statement when there is a challenge.
pub(crate) async fn due(core: &Core, account: &Account, scope: &str) -> Result<Due, Error> {
    let (method, methods): (_, &[_]) = if account.has_factor {
        (Method::Code, &["totp", "recovery_code"])
    } else if core.mfa.demanded_of(&account.roles) {
        (Method::Enroll, &["enroll"])
    } else {
        return Ok(Due::Nothing);
    };
    let token: [u8; 32] = core.random.bytes();
    let expire_time = core.clock.now() + LIFE;
    let waiting = Waiting {
        user_id: account.id,
        method,
        scope: scope.to_owned(),
    };
    let (phc, hash) = (account.phc.as_ref(), sha256(&token));
    let adding = core
        .storage
        .add_challenge(&hash, &waiting, phc, ATTEMPTS, expire_time);
    if !adding.await? {
        return Ok(Due::Outdated);
    }
    Ok(Due::Challenge(Challenge {
        token: BASE64_URL_SAFE_NO_PAD.encode(token),
        methods,
        expire_time,
    }))
}

/// Opens the session that waits under a challenge when the code is right. Six statements with a
/// one-time password: a wrong code costs two or three of them.
pub(crate) async fn verify(
    core: &Core,
    token: &str,
    typed: &str,
    client: Client,
) -> Result<Grant, Error> {
    let outcome = finish(core, token, typed, client).await;
    let label = match &outcome {
        Ok(_) => "success",
        Err(Error::InvalidCode) => "wrong",
        Err(Error::TooManyCodes(_)) => "limited",
        Err(_) => "failed",
    };
    metrics::counter!("auth_second_factors_total", "outcome" => label).increment(1);
    outcome
}

async fn finish(core: &Core, token: &str, typed: &str, client: Client) -> Result<Grant, Error> {
    let hash = hash(token)?;
    let now = core.clock.now();
    let waiting = core.storage.try_challenge(&hash, now).await?;
    let waiting = waiting.ok_or(Error::ChallengeOver)?;
    let account = active(core, &waiting).await?;
    let proof = match waiting.method {
        Method::Code => Proof::of(core, account.id, typed).await?,
        Method::Enroll => Proof::of_enrolment(core, account.id, typed, false).await?,
    };
    let enrolled = waiting.method == Method::Enroll;

    let tx = core.storage.begin().await?;
    if !tx.use_challenge(&hash).await? {
        return Err(Error::ChallengeOver);
    }
    let assurance = proof.take(&tx, account.id, now).await?;
    if enrolled {
        tx.end_challenges(account.id).await?;
        let whose = (account.id, &account.email);
        manage::tell(core, &tx, Kind::FactorAdded, whose, &client).await?;
    }
    let (session, refresh) = login::session(core, &account, waiting.scope, client, assurance);
    if !tx
        .open_session(&login::as_stored(&session, &refresh))
        .await?
    {
        // The account was suspended since it was read.
        return Err(Error::InvalidCredentials);
    }
    tx.commit().await?;
    if enrolled {
        core.outbox.notify_one();
    }
    let device_token = core.devices.issue(None, &account.email, now, &core.random);
    Ok(Grant {
        device_token,
        ..core.grant(account, &session, refresh, "").await?
    })
}

/// Gives a secret to whoever has to have a factor before the session is opened.
pub(crate) async fn enroll_at_sign_in(
    core: &Core,
    token: &str,
) -> Result<(Enrolment, DateTime<Utc>), Error> {
    let now = core.clock.now();
    let waiting = core.storage.challenge(&hash(token)?, now).await?;
    let waiting = waiting.filter(|waiting| waiting.method == Method::Enroll);
    let waiting = waiting.ok_or(Error::ChallengeOver)?;
    let factors = core.storage.factors(waiting.user_id).await?;
    let factors = factors.filter(|found| found.status == Status::Active && found.totp.is_none());
    let factors = factors.ok_or(Error::ChallengeOver)?;
    manage::make_enrolment(core, waiting.user_id, &factors.email).await
}

fn hash(token: &str) -> Result<Hash, Error> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token);
    bytes
        .map(|bytes| sha256(&bytes))
        .map_err(|_| Error::ChallengeOver)
}

async fn active(core: &Core, waiting: &Waiting) -> Result<Account, Error> {
    let account = core.storage.account(waiting.user_id).await?;
    account
        .filter(|account| account.status == Status::Active)
        .ok_or(Error::ChallengeOver)
}
