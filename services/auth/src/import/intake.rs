//! The lines of an import, gathered into batches.

use std::{future::Future, pin::pin, time::Duration};

use portico_proto::{
    auth::v1::ImportUsersRequest,
    error::{Reason, Violation, invalid},
    user::v1::{ImportFault, ImportOutcome, ImportUserResult, User},
};
use prost::Message;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, Streaming};

use crate::passwords::Phc;

/// How many lines are stored together at most, and how many bytes of them.
const LINES: usize = 512;
const BYTES: usize = 1 << 20;
/// How long a line waits for company.
const COMPANY: Duration = Duration::from_millis(20);
/// How long a caller may say nothing.
const SILENCE: Duration = Duration::from_mins(2);

/// A line on its way.
pub(super) struct Line {
    pub user: User,
    pub password: Option<Phc>,
    pub refused: Option<ImportUserResult>,
}

/// What the first line says for all.
#[derive(Clone, Copy, Default)]
pub(super) struct Mode {
    pub validate_only: bool,
    /// The number of the first line.
    pub first_line: i64,
}

/// The lines that have come and are in no batch yet: never more than one batch of them.
pub(super) struct Intake {
    stream: Streaming<ImportUsersRequest>,
    mode: Option<Mode>,
    lines: Vec<Line>,
    bytes: usize,
    /// The caller has said everything, or what it said cannot be read.
    end: Option<Result<(), Status>>,
}

impl Intake {
    pub(super) fn new(stream: Streaming<ImportUsersRequest>) -> Self {
        Self {
            stream,
            mode: None,
            lines: Vec::new(),
            bytes: 0,
            end: None,
        }
    }

    /// The lines that are there, and those that come within a moment; none when there are no more.
    pub(super) async fn batch(&mut self) -> Result<Option<(Vec<Line>, Mode)>, Status> {
        let patience = |lines: &[Line]| if lines.is_empty() { SILENCE } else { COMPANY };
        let mut until = Instant::now() + patience(&self.lines);
        while self.has_room() {
            let Ok(next) = timeout_at(until, self.stream.message()).await else {
                if self.lines.is_empty() {
                    return Err(Reason::DeadlineExceeded.status("no line came for two minutes"));
                }
                break;
            };
            if self.lines.is_empty() {
                until = Instant::now() + COMPANY;
            }
            self.take(next);
        }
        if !self.lines.is_empty() {
            self.bytes = 0;
            let batch = std::mem::take(&mut self.lines);
            return Ok(Some((batch, self.mode.unwrap_or_default())));
        }
        match self.end.take() {
            Some(Err(status)) => Err(status),
            Some(Ok(())) | None => Ok(None),
        }
    }

    /// Does some work, and takes lines in as long as it goes on and there is room for them.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                next = self.stream.message(), if self.has_room() => self.take(next),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.end.is_none() && self.lines.len() < LINES && self.bytes < BYTES
    }

    fn take(&mut self, next: Result<Option<ImportUsersRequest>, Status>) {
        let read = match next {
            Ok(Some(request)) => {
                self.bytes += request.encoded_len();
                self.read(request)
            }
            Ok(None) => {
                self.end = Some(Ok(()));
                return;
            }
            Err(status) => Err(status),
        };
        match read {
            Ok(line) => self.lines.push(line),
            Err(status) => self.end = Some(Err(status)),
        }
    }

    fn read(&mut self, request: ImportUsersRequest) -> Result<Line, Status> {
        if self.mode.is_none() {
            if request.first_line < 0 {
                return Err(invalid([Violation::new(
                    "first_line",
                    "must not be negative",
                )]));
            }
            self.mode = Some(Mode {
                validate_only: request.validate_only,
                first_line: request.first_line.max(1),
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
