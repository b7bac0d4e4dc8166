//! `portico-user import FILE`.

use std::{
    fs::{File, OpenOptions},
    future::Future,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use clap::Args;
use http::{Method, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncSeekExt;

use super::{
    Connection,
    edge::{Cut, Edge, Problem, Tries, accepted},
    http::rest_of,
    lines::{self, Count, Cutter},
    place::{self, Place},
    progress::Progress,
};

/// How many refusals are shown; all of them are in the file.
const SHOWN: u64 = 20;
/// How often the place is written down.
const KEEP_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct Options {
    /// The file: a JSON object to a line.
    file: PathBuf,
    /// Says what would come of each line, and changes nothing.
    #[arg(long)]
    validate_only: bool,
    /// Begins at the first line, whatever an earlier run came to.
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// A line of the answer: what came of an account, or why there is nothing more.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    error: Option<Problem>,
    outcome: String,
    reason: String,
    detail: String,
    errors: Vec<serde_json::Value>,
}

/// A refusal, as it is listed.
#[derive(Serialize)]
struct Refusal<'r> {
    line: u64,
    reason: &'r str,
    detail: &'r str,
    errors: &'r [serde_json::Value],
}

struct Import<'i> {
    file: &'i Path,
    count: Count,
    place: Place,
    progress: Progress,
    refusals: Option<File>,
    kept: Instant,
}

/// Sends a file up, and goes on with it whenever the connection is cut.
pub async fn run(
    options: &Options,
    edge: &Edge,
    stop: impl Future<Output = io::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let file = options.file.as_path();
    let name = file.display();
    let count = lines::count(file).with_context(|| name.to_string())?;
    let records = count.records;
    ensure!(records > 0, "{name}: there is no account in it");
    let beginning = Place::beginning(file, &edge.name(), options.validate_only)?;
    let place = if options.restart {
        beginning
    } else {
        beginning.or_earlier(file)
    };
    if place.answered > 0 {
        let line = count.line(place.answered);
        eprintln!("going on behind line {line} of {name}");
    } else {
        // What an earlier import refused has nothing to do with this one.
        let _ = std::fs::remove_file(place::beside(file, ".refused"));
    }
    let mut import = Import {
        file,
        count,
        progress: Progress::new("import", Some(records), place.answered),
        place,
        refusals: None,
        kept: Instant::now(),
    };
    let done = tokio::select! {
        done = import.finish(edge, records, options.validate_only) => done,
        stopped = stop => stopped.map_err(Into::into).and_then(|()| {
            Err(anyhow::anyhow!("stopped"))
        }),
    };
    import.end(done, records)
}

impl Import<'_> {
    async fn finish(&mut self, edge: &Edge, records: u64, dry: bool) -> anyhow::Result<()> {
        let mut tries = Tries::default();
        while self.place.answered < records {
            let before = self.place.answered;
            let Err(cut) = self.send(edge, dry).await else {
                ensure!(
                    self.place.answered == records,
                    "the gateway answered {} of {records} accounts and said that this is all",
                    self.place.answered
                );
                return Ok(());
            };
            if self.place.answered > before {
                tries.went_on();
            }
            let tell = |line: String| self.progress.tell(format!("import: {line}"));
            tries.again(cut, tell).await?;
        }
        Ok(())
    }

    /// Sends what is not answered yet.
    async fn send(&mut self, edge: &Edge, dry: bool) -> Result<(), Cut> {
        let spot = lines::behind(self.file, self.place.answered)?;
        let mut body = tokio::fs::File::open(self.file).await?;
        body.seek(io::SeekFrom::Start(spot.offset)).await?;
        let path = format!("/api/v1/users:import?validateOnly={dry}");
        let request = edge
            .request(Method::POST, &path)?
            .header(CONTENT_TYPE, "application/x-ndjson")
            .body(rest_of(body))
            .map_err(anyhow::Error::from)?;
        let mut answer = match accepted(edge.send(request).await?).await {
            Ok(answer) => answer,
            Err((problem, pause)) => return Err(self.with_line(problem, spot.lines).cut(pause)),
        };
        let mut cutter = Cutter::default();
        while let Some(piece) = answer.piece().await? {
            cutter.feed(&piece, |line| self.take(line, spot.lines))?;
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8], lines_before: u64) -> Result<(), Cut> {
        let answer: Answer = serde_json::from_slice(line)
            .map_err(|error| anyhow::anyhow!("an answer that makes no sense: {error}"))?;
        if let Some(problem) = answer.error {
            return Err(self.with_line(problem, lines_before).cut(None));
        }
        self.place.answered += 1;
        match answer.outcome.as_str() {
            "IMPORT_OUTCOME_CREATED" => self.place.created += 1,
            "IMPORT_OUTCOME_UPDATED" => self.place.updated += 1,
            "IMPORT_OUTCOME_SKIPPED" => self.place.skipped += 1,
            _ => self.refused(&answer)?,
        }
        self.progress.add(1);
        if self.kept.elapsed() >= KEEP_EVERY {
            self.place.keep(self.file)?;
            self.kept = Instant::now();
        }
        Ok(())
    }

    fn refused(&mut self, answer: &Answer) -> Result<(), Cut> {
        self.place.refused += 1;
        let line = self.count.line(self.place.answered);
        let Answer { reason, detail, .. } = answer;
        if self.place.refused <= SHOWN {
            let name = self.file.display();
            self.progress
                .tell(format!("{name}, line {line}: refused, {reason}: {detail}"));
        }
        let refusal = Refusal {
            line,
            reason,
            detail,
            errors: &answer.errors,
        };
        let mut text = serde_json::to_vec(&refusal).map_err(anyhow::Error::from)?;
        text.push(b'\n');
        if self.refusals.is_none() {
            let path = place::beside(self.file, ".refused");
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let file = file.with_context(|| path.display().to_string())?;
            self.refusals = Some(file);
        }
        if let Some(file) = &mut self.refusals {
            file.write_all(&text)?;
        }
        Ok(())
    }

    /// The problem with the file's line: the gateway counts from where the request began.
    fn with_line(&self, mut problem: Problem, lines_before: u64) -> Problem {
        if let Some(line) = problem.line {
            let detail = &problem.detail;
            let rest = detail.strip_prefix(&format!("line {line}: "));
            let (name, line) = (self.file.display(), lines_before + line);
            problem.detail = format!("{name}, line {line}: {}", rest.unwrap_or(detail));
        }
        problem
    }

    fn end(self, done: anyhow::Result<()>, records: u64) -> anyhow::Result<ExitCode> {
        let Place {
            answered,
            created,
            updated,
            skipped,
            refused,
            ..
        } = self.place;
        let rate = self.progress.rate();
        let counts = format!(
            "{answered} of {records} accounts: {created} created, {updated} updated, {skipped} skipped, \
             {refused} refused; {rate:.0}/s"
        );
        self.progress.end(counts);
        if refused > 0 {
            let path = place::beside(self.file, ".refused");
            eprintln!("the refused lines: {}", path.display());
        }
        match done {
            Ok(()) => {
                Place::forget(self.file);
                Ok(if refused == 0 {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            }
            Err(error) => {
                self.place.keep(self.file)?;
                Err(error.context("not finished; the same command goes on from here"))
            }
        }
    }
}
