//! Taking accounts in, with the hashes of their passwords.
//!
//! The accounts are the user service's; the hashes never leave this one. A line is answered when both are
//! stored for good. A crash in between leaves an account without its password and a line without an answer;
//! the line is sent again, the account is found to be just so, and the password follows.

use std::{sync::Arc, time::Duration};

use portico_proto::{
    auth::v1::{ImportUsersRequest, ImportUsersResponse},
    error::Reason,
    user::v1::{ImportFault, ImportOutcome, ImportUserBatchRequest, ImportUserResult, User},
};
use prost::Message;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use crate::{core::Core, error::Error, passwords::Phc};

/// How many lines are stored together at most, and how many bytes of them.
const LINES: usize = 500;
const BYTES: usize = 1 << 20;
/// How long a line waits for company.
const COMPANY: Duration = Duration::from_millis(20);
/// How long a caller may say nothing.
const SILENCE: Duration = Duration::from_mins(2);
/// How often a batch is tried while the user service is away, and the pause before each further time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// One import from its first line to its last.
pub(crate) struct Import {
    core: Arc<Core>,
    lines: Streaming<ImportUsersRequest>,
    by: Importer,
    /// What the first line said for all.
    mode: Option<Mode>,
    next: i64,
    counts: Counts,
}

/// Who imports.
pub(crate) struct Importer {
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) administrator: bool,
}

#[derive(Clone, Copy)]
struct Mode {
    validate_only: bool,
}

/// A line on its way.
struct Line {
    user: User,
    password: Option<Phc>,
    refused: Option<ImportUserResult>,
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
            lines,
            by,
            mode: None,
            next: 1,
            counts: Counts::default(),
        }
    }

    /// The answers to the next lines, at least one; none when all were answered. Nothing is read before
    /// somebody asks, so a caller who does not take its answers is not read from.
    pub(crate) async fn answers(&mut self) -> Result<Option<Vec<ImportUsersResponse>>, Status> {
        let batch = self.gather().await?;
        if batch.is_empty() {
            self.tell();
            return Ok(None);
        }
        let first = self.next;
        let results = self.store(batch).await?;
        let answers: Vec<_> = (first..)
            .zip(results)
            .map(|(line, result)| self.counts.answer(line, result))
            .collect();
        self.next = first.saturating_add_unsigned(answers.len() as u64);
        Ok(Some(answers))
    }

    /// The lines that are there, and those that come within a moment.
    async fn gather(&mut self) -> Result<Vec<Line>, Status> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut until = Instant::now() + SILENCE;
        while batch.len() < LINES && bytes < BYTES {
            let Ok(line) = timeout_at(until, self.lines.message()).await else {
                if batch.is_empty() {
                    return Err(Reason::DeadlineExceeded.status("no line came for two minutes"));
                }
                break;
            };
            let Some(request) = line? else { break };
            if batch.is_empty() {
                until = Instant::now() + COMPANY;
            }
            bytes += request.encoded_len();
            batch.push(self.read(request)?);
        }
        Ok(batch)
    }

    fn read(&mut self, request: ImportUsersRequest) -> Result<Line, Status> {
        if self.mode.is_none() {
            if request.first_line < 0 {
                let fault =
                    portico_proto::error::Violation::new("first_line", "must not be negative");
                return Err(portico_proto::error::invalid([fault]));
            }
            self.next = request.first_line.max(1);
            self.mode = Some(Mode {
                validate_only: request.validate_only,
            });
        }
        let record = request.record.unwrap_or_default();
        let mut line = Line {
            user: record.user.unwrap_or_default(),
            password: None,
            refused: None,
        };
        if !record.password_hash.is_empty() {
            match Phc::import(&record.password_hash) {
                Ok(phc) => line.password = Some(phc),
                Err(fault) => line.refused = Some(unusable(&fault.to_string())),
            }
        }
        Ok(line)
    }

    async fn store(&self, batch: Vec<Line>) -> Result<Vec<ImportUserResult>, Status> {
        let dry = self.mode.is_some_and(|mode| mode.validate_only);
        let (mut results, mut users, mut passwords) = (Vec::new(), Vec::new(), Vec::new());
        for line in batch {
            if line.refused.is_none() {
                users.push(line.user);
                passwords.push(line.password);
            }
            results.push(line.refused);
        }
        let stored = if users.is_empty() {
            Vec::new()
        } else {
            self.send(users, dry).await?
        };
        if !dry {
            let passwords = stored.iter().zip(passwords);
            let credentials: Vec<(Uuid, Phc)> = passwords
                .filter_map(|(result, phc)| Some((Uuid::parse_str(&result.id).ok()?, phc?)))
                .collect();
            self.keep(&credentials).await?;
        }
        let mut stored = stored.into_iter();
        let results = results.into_iter();
        // Whoever was not refused here has an answer there.
        Ok(results
            .filter_map(|refused| refused.or_else(|| stored.next()))
            .collect())
    }

    /// Has the user service store its part. A batch that may have arrived is sent again without harm.
    async fn send(&self, users: Vec<User>, dry: bool) -> Result<Vec<ImportUserResult>, Status> {
        let batch = ImportUserBatchRequest {
            users,
            validate_only: dry,
            scopes: self.by.scopes.clone(),
            administrator: self.by.administrator,
        };
        let mut attempt = 1;
        loop {
            match self.core.users.import(batch.clone()).await {
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

    async fn keep(&self, credentials: &[(Uuid, Phc)]) -> Result<(), Error> {
        if credentials.is_empty() {
            return Ok(());
        }
        let tx = self.core.storage.begin().await?;
        tx.add_credentials(credentials, self.core.clock.now())
            .await?;
        Ok(tx.commit().await?)
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

fn unusable(fault: &str) -> ImportUserResult {
    let (field, description) = ("password_hash".to_owned(), fault.to_owned());
    ImportUserResult {
        outcome: ImportOutcome::Refused.into(),
        reason: Reason::InvalidArgument.as_str().to_owned(),
        detail: format!("{field}: {description}"),
        errors: vec![ImportFault { field, description }],
        ..ImportUserResult::default()
    }
}

/// Whether the same again may go better.
fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted
    )
}
