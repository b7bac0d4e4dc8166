//! How mails go out: by SMTP, or into a folder where somebody looks at them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use chrono::{DateTime, Utc};
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Body, Mailbox, MultiPart, SinglePart, header},
    transport::smtp,
};
use portico_service::config::AuthConfig;
use uuid::Uuid;

use super::letter::Letter;
use crate::domain::Email;

/// How long a server may take to accept a mail, with connecting.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections to the server that are kept at most.
const CONNECTIONS: u32 = 4;

/// How many mails stay in the folder.
const KEPT: usize = 1000;

/// Sends mails.
pub(crate) struct Sender {
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

/// Why a mail was not sent. Says nothing of its content or its address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Trying again does not help.
    #[error("the address cannot get mail: {0}")]
    Hopeless(String),
    /// Trying again may help.
    #[error("{0}")]
    Later(String),
}

impl Sender {
    pub(crate) fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        let from = config.mail_from.parse();
        let from = from.with_context(|| format!("AUTH__MAIL_FROM {:?}", config.mail_from))?;
        let way = match &config.smtp_url {
            None => Way::Folder(config.mail_dir.clone()),
            Some(url) => {
                // The error of a bad address may hold the address, and that a password.
                let server = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
                let server = server.ok().context(
                    "AUTH__SMTP_URL cannot be understood; accepted: smtps://user:password@host \
                     or smtp://host?tls=required",
                )?;
                let pool = smtp::PoolConfig::new().max_size(CONNECTIONS);
                Way::Smtp(server.timeout(Some(PATIENCE)).pool_config(pool).build())
            }
        };
        Ok(Self { from, way })
    }

    /// Sends a letter. The same `id` gives the same Message-ID, by which a mail that went out twice is
    /// told from two.
    pub(super) async fn send(
        &self,
        id: Uuid,
        to: &Email,
        letter: Letter,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let to: Address = to
            .as_str()
            .parse()
            .map_err(|error: lettre::address::AddressError| Failure::Hopeless(error.to_string()))?;
        let domain = self.from.email.domain();
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(letter.subject)
            .date(SystemTime::from(now))
            .message_id(Some(format!("<{id}@{domain}>")))
            // No out-of-office answers (RFC 3834, section 5).
            .header(AutoSubmitted)
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(header::ContentType::TEXT_PLAIN, letter.text))
                    .singlepart(part(header::ContentType::TEXT_HTML, letter.html)),
            )
            .map_err(|error| Failure::Hopeless(error.to_string()))?;
        match &self.way {
            Way::Smtp(server) => {
                match tokio::time::timeout(2 * PATIENCE, server.send(message)).await {
                    Ok(sent) => sent.map(drop).map_err(|error| of_smtp(&error)),
                    Err(_) => Err(Failure::Later("no answer in time".to_owned())),
                }
            }
            Way::Folder(folder) => {
                let (folder, bytes) = (folder.clone(), message.formatted());
                let writing = tokio::task::spawn_blocking(move || put(&folder, id, &bytes));
                let written = writing
                    .await
                    .map_err(|error| Failure::Later(error.to_string()))?;
                let path = written.map_err(|error| Failure::Later(error.to_string()))?;
                tracing::info!(file = %path.display(), subject = letter.subject, "a mail lies in the folder");
                Ok(())
            }
        }
    }
}

/// A body as it is wherever that is allowed (RFC 5322, section 2.1.1), so that a link in a file can be
/// copied; encoded elsewhere.
fn part(kind: header::ContentType, body: String) -> SinglePart {
    let part = SinglePart::builder().header(kind);
    let plain = body.is_ascii() && !body.contains(['\0', '\r']);
    if plain && body.lines().all(|line| line.len() <= 998) {
        let bytes = body.replace('\n', "\r\n").into_bytes();
        let encoding = header::ContentTransferEncoding::SevenBit;
        return part.body(Body::dangerous_pre_encoded(bytes, encoding));
    }
    part.body(body)
}

/// What a server says to the address is for good; what it says to us may be mended.
fn of_smtp(error: &smtp::Error) -> Failure {
    let code = error.status().map(u16::from);
    let text = match code {
        Some(code) => format!("the server answered {code}"),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None if error.is_tls() => "no secure connection".to_owned(),
        None => "the server cannot be reached".to_owned(),
    };
    match code {
        Some(550 | 551 | 553 | 556) => Failure::Hopeless(text),
        _ => Failure::Later(text),
    }
}

/// Writes a mail that is whole under its name or not there, for the owner alone.
fn put(folder: &Path, id: Uuid, bytes: &[u8]) -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let (draft, path) = (
        folder.join(format!("{id}.draft")),
        folder.join(format!("{id}.eml")),
    );
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    tidy(folder)?;
    Ok(path)
}

/// Removes all but the youngest mails: ids that are made later sort later.
fn tidy(folder: &Path) -> io::Result<()> {
    let mut mails = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "eml") {
            mails.push(path);
        }
    }
    if mails.len() > KEPT {
        mails.sort_unstable();
        let old = mails.len() - KEPT;
        mails.into_iter().take(old).try_for_each(fs::remove_file)?;
    }
    Ok(())
}

#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.way {
            Way::Smtp(_) => "Sender(smtp)",
            Way::Folder(_) => "Sender(folder)",
        })
    }
}
