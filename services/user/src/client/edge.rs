//! The gateway, as the commands see it.

use std::{env, fs, net::IpAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail, ensure};
use http::{
    Method, Request, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, RETRY_AFTER, USER_AGENT},
    request,
    uri::{PathAndQuery, Scheme},
};
use serde::Deserialize;

use super::{
    Connection,
    http::{Answer, Body, Client, Failure},
};

/// How often one place is tried before it is given up.
const TRIES: u32 = 10;
/// The pause before the second try; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// A running system.
pub struct Edge {
    client: Client,
    base: Uri,
    token_file: Option<PathBuf>,
}

/// Why a call ended before its end.
#[derive(Debug)]
pub enum Cut {
    /// The same again may go better, after that pause if it says so.
    Passing(String, Option<Duration>),
    /// It will not.
    Final(anyhow::Error),
}

/// What of a problem document matters here (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Problem {
    pub status: u16,
    pub code: String,
    pub detail: String,
    /// The line of the body at fault, counted from 1.
    pub line: Option<u64>,
    pub request_id: String,
}

impl From<anyhow::Error> for Cut {
    fn from(error: anyhow::Error) -> Self {
        Self::Final(error)
    }
}

impl From<std::io::Error> for Cut {
    fn from(error: std::io::Error) -> Self {
        Self::Final(error.into())
    }
}

impl From<Failure> for Cut {
    fn from(failure: Failure) -> Self {
        Self::Passing(format!("{:#}", anyhow::Error::from(failure)), None)
    }
}

impl Edge {
    /// Reaches nobody yet.
    pub fn new(connection: &Connection) -> anyhow::Result<Self> {
        const ACCEPTED: &str = "accepted: https://portico.example.org, http://127.0.0.1:3000";
        let url = &connection.url;
        let base: Uri = url
            .parse()
            .with_context(|| format!("--url {url:?}; {ACCEPTED}"))?;
        let pathless = base.path_and_query().is_none_or(|path| *path == "/");
        ensure!(pathless, "--url {url:?} has a path; {ACCEPTED}");
        let near = base.host().is_some_and(is_this_machine);
        match base.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => {}
            Some(scheme) if *scheme == Scheme::HTTP && (near || connection.plaintext) => {}
            Some(scheme) if *scheme == Scheme::HTTP => bail!(
                "--url {url:?}: the token would go over the network in plain text; accepted: https://, a port of \
                 this machine with a tunnel behind it, or --plaintext where nobody listens"
            ),
            _ => bail!("--url {url:?}: only http:// and https:// are spoken here; {ACCEPTED}"),
        }
        let edge = Self {
            client: Client::new(connection.ca_file.as_deref())?,
            base,
            token_file: connection.token_file.clone(),
        };
        edge.token()?;
        Ok(edge)
    }

    /// Where it is, for people and for files that belong to it.
    pub fn name(&self) -> String {
        self.base.to_string()
    }

    /// A request with the token, for a path with its query.
    pub fn request(&self, method: Method, path: &str) -> anyhow::Result<request::Builder> {
        let mut target = self.base.clone().into_parts();
        target.path_and_query = Some(PathAndQuery::try_from(path)?);
        Ok(Request::builder()
            .method(method)
            .uri(Uri::from_parts(target)?)
            .header(AUTHORIZATION, format!("Bearer {}", self.token()?))
            .header(
                USER_AGENT,
                concat!("portico-user/", env!("CARGO_PKG_VERSION")),
            )
            .header(ACCEPT, "application/x-ndjson, application/json"))
    }

    /// What it answers.
    pub async fn send(&self, request: Request<Body>) -> Result<Answer, Failure> {
        self.client.send(request).await
    }

    fn token(&self) -> anyhow::Result<String> {
        let text = match &self.token_file {
            Some(path) => {
                let name = path.display().to_string();
                fs::read_to_string(path).with_context(|| format!("--token-file {name}"))?
            }
            None => variable().context(
                "there is no token: put one into the variable PORTICO_TOKEN, or into a file that \
                 --token-file names",
            )?,
        };
        let token = text.trim();
        let plain = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain {
            bail!("the token is none; accepted: the `accessToken` of a sign-in, on one line");
        }
        Ok(token.to_owned())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client has no configuration but its command line, where a token would be seen by everybody"
)]
fn variable() -> Option<String> {
    env::var("PORTICO_TOKEN").ok()
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']);
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The answer when it is a good one, and otherwise what it says.
pub async fn accepted(answer: Answer) -> Result<Answer, (Problem, Option<Duration>)> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let pause = answer.headers.get(RETRY_AFTER);
    let pause = pause.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = answer.whole().await.unwrap_or_default();
    let problem = serde_json::from_slice(&body).unwrap_or_else(|_| Problem {
        detail: "this is no answer of Portico's gateway".to_owned(),
        ..Problem::default()
    });
    let problem = Problem {
        status: status.as_u16(),
        ..problem
    };
    Err((problem, pause.map(Duration::from_secs)))
}

impl Problem {
    /// What it means for the call.
    pub fn cut(self, pause: Option<Duration>) -> Cut {
        let Self {
            status,
            code,
            detail,
            request_id,
            ..
        } = &self;
        let text = match request_id.as_str() {
            "" => format!("{status} {code}: {detail}"),
            request => format!("{status} {code}: {detail} (request {request})"),
        };
        let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match status {
            StatusCode::UNAUTHORIZED => Cut::Final(anyhow::anyhow!(
                "the token is not, or no longer, good; get another one and run the same command again\n{text}"
            )),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Cut::Passing(text, pause)
            }
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                Cut::Passing(text, pause)
            }
            _ => Cut::Final(anyhow::Error::msg(text)),
        }
    }
}

/// How often the same place was tried.
#[derive(Debug, Default)]
pub struct Tries(u32);

impl Tries {
    /// Something went on, so the next cut is the first one again.
    pub fn went_on(&mut self) {
        self.0 = 0;
    }

    /// Waits before the next try, and says what it waits for; fails when there were enough.
    pub async fn again(&mut self, cut: Cut, tell: impl Fn(String)) -> anyhow::Result<()> {
        let (why, pause) = match cut {
            Cut::Final(error) => return Err(error),
            Cut::Passing(why, pause) => (why, pause),
        };
        self.0 += 1;
        if self.0 == TRIES {
            bail!("given up after {TRIES} tries: {why}");
        }
        let doubled = PAUSE.saturating_mul(1 << (self.0 - 1)).min(LONGEST);
        let pause = pause.unwrap_or(doubled).min(LONGEST);
        tell(format!("{why}; going on in {} ms", pause.as_millis()));
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: &str) -> Connection {
        Connection {
            url: url.to_owned(),
            token_file: Some(PathBuf::from("/nowhere")),
            ca_file: None,
            plaintext: false,
        }
    }

    #[test]
    fn a_token_crosses_no_network_in_plain_text() {
        let refusal = |connection| format!("{:#}", Edge::new(&connection).err().expect("refused"));
        for url in ["http://portico.example.org", "http://10.0.0.7:3000"] {
            assert!(refusal(connection(url)).contains("plain text"), "{url}");
        }
        for url in ["ftp://x", "x", "https://x/api", "http://127.0.0.1:1/?a=b"] {
            let refusal = refusal(connection(url));
            assert!(refusal.contains("accepted: https://"), "{url}: {refusal}");
        }
        // What is in order fails at the next thing, the token.
        for url in [
            "http://127.0.0.1:3000",
            "http://[::1]:1",
            "http://localhost",
            "https://portico.example.org",
        ] {
            assert!(refusal(connection(url)).contains("--token-file"), "{url}");
        }
        let allowed = Connection {
            plaintext: true,
            ..connection("http://gateway:3000")
        };
        assert!(refusal(allowed).contains("--token-file"));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let cut = |status| {
            Problem {
                status,
                ..Problem::default()
            }
            .cut(None)
        };
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(cut(status), Cut::Passing(..)), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 413, 501] {
            assert!(matches!(cut(status), Cut::Final(_)), "{status}");
        }
    }
}
