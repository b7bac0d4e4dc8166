//! `portico-user export [FILE]`.

use std::{
    fs::{self, File, OpenOptions},
    future::Future,
    io::{self, BufRead, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::Args;
use http::Method;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Connection,
    edge::{Cut, Edge, Problem, Tries, accepted},
    http::nothing,
    lines::Cutter,
    place::beside,
    progress::Progress,
};

#[derive(Debug, Args)]
pub struct Options {
    /// The file to write; standard output when it is left out. It is for its owner alone.
    file: Option<PathBuf>,
    /// Has deleted accounts too, as long as they are kept.
    #[arg(long)]
    show_deleted: bool,
    /// Writes over a file that is there.
    #[arg(long)]
    force: bool,
    /// Begins with the first account, whatever an earlier run came to.
    #[arg(long)]
    restart: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// A line: an account, of which only the id matters here, or why there is nothing more.
#[derive(Deserialize)]
struct Line {
    user: Option<User>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct User {
    id: Uuid,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Total {
    #[serde(rename = "totalSize")]
    counted: u64,
    #[serde(rename = "totalSizeIsMinimum")]
    is_minimum: bool,
    /// A number of 64 bits is a text in JSON.
    #[serde(rename = "totalSizeEstimate")]
    estimate: String,
}

struct Export {
    out: BufWriter<Box<dyn Write>>,
    /// The last account that is there whole.
    after: Option<Uuid>,
    count: u64,
    progress: Progress,
}

/// Writes all accounts down, and goes on whenever the connection is cut.
pub async fn run(
    options: &Options,
    edge: &Edge,
    stop: impl Future<Output = io::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let part = options.file.as_deref().map(|file| beside(file, ".part"));
    if let Some(file) = &options.file {
        let name = file.display();
        let fresh = options.force || !file.exists();
        ensure!(fresh, "{name} is there already; --force writes over it");
    }
    let (out, begun): (Box<dyn Write>, _) = match &part {
        None => (Box::new(io::stdout()), Begun::default()),
        Some(part) => {
            let what = format!(
                "{} --show-deleted={}",
                options.connection.url, options.show_deleted
            );
            is_of(part, &what, options.restart)?;
            let (file, begun) =
                open(part, options.restart).with_context(|| part.display().to_string())?;
            (Box::new(file), begun)
        }
    };
    if begun.count > 0 {
        eprintln!("going on behind {} accounts", begun.count);
    }
    let total = total(edge, options.show_deleted).await;
    let mut export = Export {
        out: BufWriter::with_capacity(1 << 18, out),
        after: begun.after,
        count: begun.count,
        progress: Progress::new("export", total, begun.count),
    };
    let done = tokio::select! {
        done = export.finish(edge, options.show_deleted) => done,
        stopped = stop => stopped.map_err(Into::into).and_then(|()| {
            Err(anyhow::anyhow!("stopped"))
        }),
    };
    let written = export.out.flush();
    let rate = export.progress.rate();
    export
        .progress
        .end(format!("{} accounts, {rate:.0}/s", export.count));
    done.context("not finished; the same command goes on from here")?;
    written?;
    if let (Some(part), Some(file)) = (&part, &options.file) {
        File::open(part)?.sync_all()?;
        fs::rename(part, file).with_context(|| file.display().to_string())?;
        // Whatever is left of it is asked of the next export alone.
        let _ = fs::remove_file(beside(part, ".of"));
    }
    Ok(ExitCode::SUCCESS)
}

impl Export {
    async fn finish(&mut self, edge: &Edge, show_deleted: bool) -> anyhow::Result<()> {
        let mut tries = Tries::default();
        loop {
            let before = self.count;
            let Err(cut) = self.receive(edge, show_deleted).await else {
                return Ok(());
            };
            if self.count > before {
                tries.went_on();
            }
            let tell = |line: String| self.progress.tell(format!("export: {line}"));
            tries.again(cut, tell).await?;
        }
    }

    async fn receive(&mut self, edge: &Edge, show_deleted: bool) -> Result<(), Cut> {
        let after = self.after.map(|id| format!("&after={id}"));
        let path = format!(
            "/api/v1/users:export?showDeleted={show_deleted}{}",
            after.unwrap_or_default()
        );
        let request = edge.request(Method::GET, &path)?;
        let request = request.body(nothing()).map_err(anyhow::Error::from)?;
        let answer = accepted(edge.send(request).await?).await;
        let mut answer = answer.map_err(|(problem, pause)| problem.cut(pause))?;
        let mut cutter = Cutter::default();
        while let Some(piece) = answer.piece().await? {
            cutter.feed(&piece, |line| self.take(line))?;
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Cut> {
        let Line { user, error } = serde_json::from_slice(line)
            .map_err(|error| anyhow::anyhow!("a line that makes no sense: {error}"))?;
        if let Some(problem) = error {
            return Err(problem.cut(None));
        }
        let user = user.context("a line without an account")?;
        self.out.write_all(line)?;
        self.out.write_all(b"\n")?;
        self.after = Some(user.id);
        self.count += 1;
        self.progress.add(1);
        Ok(())
    }
}

/// What an earlier run came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Begun {
    after: Option<Uuid>,
    count: u64,
}

/// Refuses to go on with what was begun of another system or of other accounts, and notes of which it is.
fn is_of(part: &Path, what: &str, restart: bool) -> anyhow::Result<()> {
    let note = beside(part, ".of");
    // An older release left none.
    if let (false, true, Ok(begun)) = (restart, part.exists(), fs::read_to_string(&note)) {
        ensure!(
            begun == what,
            "{} was begun of {begun} and not of {what}; --restart writes over it",
            part.display()
        );
    }
    fs::write(&note, what).with_context(|| note.display().to_string())
}

/// Opens what an earlier run began, behind its last whole line, or a new file for its owner alone.
fn open(part: &Path, restart: bool) -> anyhow::Result<(File, Begun)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(part)?;
    let (mut begun, mut end) = (Begun::default(), 0);
    if !restart {
        let mut reader = BufReader::with_capacity(1 << 18, &file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            let parsed: Option<Line> = serde_json::from_slice(&line).ok();
            let Some(user) = parsed.and_then(|line| line.user) else {
                let nth = begun.count + 1;
                anyhow::bail!("line {nth} is no account of an export; --restart writes over it");
            };
            begun.after = Some(user.id);
            begun.count += 1;
            end += line.len() as u64;
            line.clear();
        }
    }
    file.set_len(end)?;
    file.seek(io::SeekFrom::Start(end))?;
    Ok((file, begun))
}

/// How many accounts there are, or about how many. An export needs no more than a hint.
async fn total(edge: &Edge, show_deleted: bool) -> Option<u64> {
    let path = format!(
        "/api/v1/users?pageSize=1&readMask=id&showTotalSize=true&showDeleted={show_deleted}"
    );
    let request = edge.request(Method::GET, &path).ok()?;
    let answer = edge.send(request.body(nothing()).ok()?).await.ok()?;
    let total = accepted(answer).await.ok()?.whole().await.ok()?;
    let total: Total = serde_json::from_slice(&total).ok()?;
    if total.is_minimum {
        total.estimate.parse().ok().filter(|size| *size > 0)
    } else {
        Some(total.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_begun_goes_on_behind_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("x.part");
        let (one, two) = (Uuid::now_v7(), Uuid::now_v7());
        let line = |id| format!("{{\"user\":{{\"id\":\"{id}\"}}}}\n");
        fs::write(&part, line(one) + &line(two) + "{\"us").unwrap();
        let (mut file, begun) = open(&part, false).unwrap();
        let expected = Begun {
            after: Some(two),
            count: 2,
        };
        assert_eq!(begun, expected);
        file.write_all(b"3").unwrap();
        let text = fs::read_to_string(&part).unwrap();
        assert_eq!(text, line(one) + &line(two) + "3");

        fs::write(&part, "somebody's notes\n").unwrap();
        let refused = open(&part, false).unwrap_err().to_string();
        assert!(refused.contains("line 1"), "{refused}");
        let (_, begun) = open(&part, true).unwrap();
        assert_eq!(begun, Begun::default());
        assert_eq!(fs::metadata(&part).unwrap().len(), 0);
    }

    #[test]
    fn what_was_begun_elsewhere_does_not_go_on_here() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("x.part");
        is_of(&part, "http://a", false).unwrap();
        open(&part, false).unwrap();
        is_of(&part, "http://a", false).unwrap();
        let refused = is_of(&part, "http://b", false).unwrap_err().to_string();
        assert!(refused.contains("http://a"), "{refused}");
        is_of(&part, "http://b", true).unwrap();
        is_of(&part, "http://b", false).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn an_export_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("x.part");
        open(&part, false).unwrap();
        let mode = fs::metadata(&part).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
