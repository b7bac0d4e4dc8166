//! Taking accounts in, with the hashes of their passwords.
//!
//! The accounts are the user service's; the hashes never leave this one. A line is answered when both are
//! stored for good. A crash in between leaves an account without its password and a line without an answer;
//! the line is sent again, the account is found to be just so, and the password follows.

mod intake;

use std::{sync::Arc, time::Duration};

use intake::{Intake, Line, Mode};
use portico_proto::{
    auth::v1::{ImportUsersRequest, ImportUsersResponse},
    error::Reason,
    user::v1::{ImportOutcome, ImportUserBatchRequest, ImportUserResult, User},
};
use tokio::time::sleep;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use crate::{core::Core, error::Error, passwords::Phc};

/// The role that holds every scope of Portico's own.
pub(crate) const ADMIN: &str = "admin";

/// How often a batch is tried while the user service is away, and the pause before each further time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// One import from its first line to its last.
pub(crate) struct Import {
    core: Arc<Core>,
    intake: Intake,
    by: Importer,
    next: i64,
    counts: Counts,
}

/// Who imports.
pub(crate) struct Importer {
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) administrator: bool,
}

#[derive(Default)]
struct Counts {
    created: u64,
    updated: u64,
    skipped: u64,
    refused: u64,
}

impl Import {
    pub(crate) fn new(core: Arc<Core>, lines: Streaming<ImportUsersRequest>, by: Importer) -> Self {
        Self {
            core,
            intake: Intake::new(lines),
            by,
            next: 1,
            counts: Counts::default(),
        }
    }

    /// The answers to the next lines, at least one; none when all were answered. Beyond one batch nothing is read
    /// before somebody asks, so a caller who does not take its answers is not read from.
    pub(crate) async fn answers(&mut self) -> Result<Option<Vec<ImportUsersResponse>>, Status> {
        let Some((batch, mode)) = self.intake.batch().await? else {
            self.tell();
            return Ok(None);
        };
        let first = self.next.max(mode.first_line);
        let storing = store(&self.core, &self.by, mode, batch);
        // The next lines come in meanwhile, so that neither side waits for the other.
        let results = self.intake.meanwhile(storing).await?;
        let answers: Vec<_> = (first..)
            .zip(results)
            .map(|(line, result)| self.counts.answer(line, result))
            .collect();
        self.next = first.saturating_add_unsigned(answers.len() as u64);
        Ok(Some(answers))
    }

    fn tell(&self) {
        let Counts {
            created,
            updated,
            skipped,
            refused,
        } = self.counts;
        let by = &self.by.subject;
        tracing::info!(
            by,
            created,
            updated,
            skipped,
            refused,
            "accounts were imported"
        );
    }
}

/// Has both services store their parts of a batch, and answers each line.
async fn store(
    core: &Core,
    by: &Importer,
    mode: Mode,
    batch: Vec<Line>,
) -> Result<Vec<ImportUserResult>, Status> {
    let dry = mode.validate_only;
    let (mut results, mut users, mut passwords) = (Vec::new(), Vec::new(), Vec::new());
    for line in batch {
        if line.refused.is_none() {
            users.push(line.user);
            passwords.push(line.password);
        }
        results.push(line.refused);
    }
    let mut stored = if users.is_empty() {
        Vec::new()
    } else {
        send(core, by, users, dry).await?
    };
    if !dry {
        withhold(core, by, &mut stored, &mut passwords).await?;
        let passwords = stored.iter().zip(passwords);
        let credentials: Vec<(Uuid, Phc)> = passwords
            .filter_map(|(result, phc)| Some((Uuid::parse_str(&result.id).ok()?, phc?)))
            .collect();
        keep(core, &credentials).await?;
    }
    let mut stored = stored.into_iter();
    let results = results.into_iter();
    // Whoever was not refused here has an answer there.
    Ok(results
        .filter_map(|refused| refused.or_else(|| stored.next()))
        .collect())
}

/// Has the user service store its part. A batch that may have arrived is sent again without harm.
async fn send(
    core: &Core,
    by: &Importer,
    users: Vec<User>,
    dry: bool,
) -> Result<Vec<ImportUserResult>, Status> {
    let batch = ImportUserBatchRequest {
        users,
        validate_only: dry,
        scopes: by.scopes.clone(),
        administrator: by.administrator,
    };
    let mut attempt = 1;
    loop {
        match core.users.import(batch.clone()).await {
            Err(status) if is_passing(&status) && attempt < ATTEMPTS => {
                sleep(PAUSE * attempt).await;
                attempt += 1;
            }
            Err(status) if is_passing(&status) => return Err(Error::UsersAway.into()),
            Err(status) => {
                tracing::error!(code = ?status.code(), "the user service refused a batch");
                return Err(Reason::Internal.status("the service made a mistake"));
            }
            Ok(results) => return Ok(results),
        }
    }
}

/// Refuses a first password to an account that was there already and may do of Portico what the importer may not:
/// whoever chose it could sign in as more than they are.
async fn withhold(
    core: &Core,
    by: &Importer,
    stored: &mut [ImportUserResult],
    passwords: &mut [Option<Phc>],
) -> Result<(), Error> {
    if by.administrator {
        return Ok(());
    }
    let own = core.roles.scopes_of(&[ADMIN.to_owned()]).await?;
    for (result, password) in stored.iter_mut().zip(passwords) {
        let was_there = matches!(
            result.outcome(),
            ImportOutcome::Updated | ImportOutcome::Skipped
        );
        let id = Uuid::parse_str(&result.id).ok();
        let Some(id) = id.filter(|_| was_there && password.is_some()) else {
            continue;
        };
        let account = core.storage.account_with_password(id).await?;
        let Some(account) = account.filter(|account| account.phc.is_none()) else {
            continue;
        };
        let held = core.roles.scopes_of(&account.roles).await?;
        let mut more = held.intersection(&own);
        if let Some(scope) = more.find(|scope| !by.scopes.contains(scope)) {
            *password = None;
            result.set_outcome(ImportOutcome::Refused);
            Reason::InsufficientScope
                .as_str()
                .clone_into(&mut result.reason);
            result.detail =
                format!("only who holds {scope} may give the account its first password");
        }
    }
    Ok(())
}

async fn keep(core: &Core, credentials: &[(Uuid, Phc)]) -> Result<(), Error> {
    if credentials.is_empty() {
        return Ok(());
    }
    let tx = core.storage.begin().await?;
    tx.add_credentials(credentials, core.clock.now()).await?;
    Ok(tx.commit().await?)
}

impl Counts {
    fn answer(&mut self, line: i64, result: ImportUserResult) -> ImportUsersResponse {
        match result.outcome() {
            ImportOutcome::Created => self.created += 1,
            ImportOutcome::Updated => self.updated += 1,
            ImportOutcome::Skipped => self.skipped += 1,
            ImportOutcome::Refused | ImportOutcome::Unspecified => self.refused += 1,
        }
        ImportUsersResponse {
            line,
            id: result.id,
            outcome: result.outcome,
            reason: result.reason,
            detail: result.detail,
            errors: result.errors,
        }
    }
}

/// Whether the same again may go better.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted
    )
}
