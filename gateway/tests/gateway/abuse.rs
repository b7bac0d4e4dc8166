//! What nobody should send: the requests of `tests/abuse/requests.txt`, and HTTP/2 that resets what it asks
//! for.

use std::{fmt::Write as _, time::Duration};

use regex::{Captures, Regex};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Edge, Start};

const CORPUS: &str = include_str!("../abuse/requests.txt");

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing comes before an answer counts as complete.
const SILENCE: Duration = Duration::from_millis(100);

/// One request of the corpus.
#[derive(Default)]
struct Case {
    name: String,
    want: Vec<String>,
    code: Option<String>,
    calls: usize,
    bytes: Vec<u8>,
}

fn cases(token: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CORPUS.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case {
                name: name.to_owned(),
                ..Case::default()
            });
            continue;
        }
        let (mark, rest) = line.split_at(line.len().min(1));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let Some(case) = cases.last_mut() else {
            continue;
        };
        match (mark, line.split_once(' ')) {
            (">", _) => {
                case.bytes.extend(bytes(rest, token));
                case.bytes.extend(b"\r\n");
            }
            ("|", _) => case.bytes.extend(bytes(rest, token)),
            (_, Some(("want", statuses))) => {
                case.want = statuses.split(' ').map(str::to_owned).collect();
            }
            (_, Some(("code", code))) => case.code = Some(code.to_owned()),
            (_, Some(("calls", calls))) => case.calls = calls.parse().unwrap(),
            ("" | "#", _) => {}
            _ => panic!("what is {line:?}?"),
        }
    }
    cases
}

/// The bytes that a line of the corpus stands for.
fn bytes(line: &str, token: &str) -> Vec<u8> {
    let repeated = Regex::new(r"\{([^{}]*)\*(\d+)\}").unwrap();
    let text = line.replace("{TOKEN}", token);
    let text = repeated.replace_all(&text, |found: &Captures<'_>| {
        found[1].repeat(found[2].parse().unwrap())
    });
    unescape(&text)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend(&rest.as_bytes()[..at]);
        let (escape, after) = rest[at + 1..].split_at(1);
        rest = after;
        match escape {
            "r" => out.push(b'\r'),
            "n" => out.push(b'\n'),
            "t" => out.push(b'\t'),
            "0" => out.push(0),
            "x" => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            other => out.extend(other.as_bytes()),
        }
    }
    out.extend(rest.as_bytes());
    out
}

/// All that comes back, until nothing does for a while.
async fn answer(edge: &Edge, bytes: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(edge.addr).await.unwrap();
    // The edge may close before it has read everything.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let patience = if answer.is_empty() { PATIENCE } else { SILENCE };
        match timeout(patience, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(read)) => answer.extend(&chunk[..read]),
            Err(_elapsed) if answer.is_empty() => return None,
            Err(_elapsed) => break,
        }
    }
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn fault(case: &Case, answer: Option<&str>, calls: usize) -> Option<String> {
    let Some(answer) = answer else {
        return Some("hangs".to_owned());
    };
    let status = match answer.strip_prefix("HTTP/1.") {
        Some(rest) => rest.split(' ').nth(1).unwrap_or_default(),
        None => "closed",
    };
    if !case.want.iter().any(|want| want == status) {
        return Some(format!("{status}: {answer}"));
    }
    if answer.contains("HTTP/1.1 5") {
        return Some(format!("a failure of the edge: {answer}"));
    }
    if calls > case.calls {
        return Some(format!("{calls} calls reached a service"));
    }
    let code = case.code.as_ref()?;
    (!answer.contains(&format!("\"code\":\"{code}\""))).then(|| format!("no {code}: {answer}"))
}

async fn edge() -> Edge {
    let settings = vec![
        ("GATEWAY__HEAD_TIMEOUT_SECONDS", "1"),
        ("GATEWAY__REQUEST_TIMEOUT_SECONDS", "2"),
    ];
    Edge::start_with(Start {
        settings,
        ..Start::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_the_corpus_gets_what_it_must() {
    let edge = edge().await;
    let cases = cases(&edge.issuer.token("users:read users:write"));
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut faults = String::new();
    for case in &cases {
        let before = edge.accounts.calls();
        let answer = answer(&edge, &case.bytes).await;
        let calls = edge.accounts.calls() - before;
        if let Some(fault) = fault(case, answer.as_deref(), calls) {
            writeln!(faults, "== {}\n{fault}", case.name).unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}");
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// `GET /.well-known/jwks.json`, in HPACK.
fn get_keys() -> Vec<u8> {
    let path = b"/.well-known/jwks.json";
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path);
    block.extend([0x01, 1, b'x']);
    block
}

/// Sends frames, and reads whether the edge ended the connection.
async fn ended(edge: &Edge, frames: &[Vec<u8>]) -> bool {
    let mut stream = TcpStream::connect(edge.addr).await.unwrap();
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frames.concat());
    stream.write_all(&bytes).await.ok();
    let mut head = [0; 9];
    loop {
        match timeout(PATIENCE, stream.read_exact(&mut head)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return true,
            Err(_elapsed) => return false,
        }
        if head[3] == GO_AWAY {
            return true;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return true;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_reset_at_once_end_the_connection_and_cost_little() {
    let edge = edge().await;
    let frames: Vec<_> = (0..4000)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            let cancel = 8_u32.to_be_bytes();
            [
                frame(HEADERS, 5, stream, &get_keys()),
                frame(RST_STREAM, 0, stream, &cancel),
            ]
        })
        .collect();
    assert!(ended(&edge, &frames).await);
    let calls = edge.accounts.calls();
    assert!(calls < 1000, "{calls} calls were made for nobody");
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_never_end_end_the_connection() {
    let edge = edge().await;
    let mut frames = vec![frame(HEADERS, 0, 1, &get_keys())];
    let mut field = vec![0x00, 1, b'a', 0x7f, 0x81, 0x7f];
    field.extend([b'b'; 16_384 - 256]);
    field.truncate(16_000);
    frames.extend((0..4000).map(|_| frame(CONTINUATION, 0, 1, &field)));
    assert!(ended(&edge, &frames).await);
    assert_eq!(edge.accounts.calls(), 0);
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_make_no_sense_end_the_connection() {
    let edge = edge().await;
    let too_large = frame(DATA, 0, 1, &vec![0; 20_000]);
    for (name, frames) in [
        ("data without a stream", vec![frame(DATA, 0, 0, b"x")]),
        (
            "a continuation of nothing",
            vec![frame(CONTINUATION, 4, 1, &[])],
        ),
        (
            "headers on an even stream",
            vec![frame(HEADERS, 5, 2, &get_keys())],
        ),
        (
            "an unknown index",
            vec![frame(HEADERS, 5, 1, &[0xff, 0xff, 0xff, 0x0f])],
        ),
        ("a frame too large", vec![too_large]),
        ("settings with a stream", vec![frame(SETTINGS, 0, 3, &[])]),
    ] {
        assert!(ended(&edge, &frames).await, "{name}");
    }
    assert_eq!(edge.accounts.calls(), 0);
    assert_eq!(edge.get("/health").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_the_clients_choice_leads_nowhere() {
    let edge = edge().await;
    for head in [
        "GET /.well-known/jwks.json HTTP/1.1\r\nhost: 169.254.169.254",
        "GET http://169.254.169.254/.well-known/jwks.json HTTP/1.1\r\nhost: x",
        "GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\nx-forwarded-host: evil.test",
    ] {
        let before = edge.accounts.calls();
        let request = format!("{head}\r\nconnection: close\r\n\r\n");
        let answer = answer(&edge, request.as_bytes()).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!answer.contains("evil.test") && !answer.contains("169.254"));
        assert_eq!(edge.accounts.calls(), before + 1);
        let sent = format!("{:?}", edge.accounts.metadata());
        assert!(
            !sent.contains("evil.test") && !sent.contains("169.254"),
            "{sent}"
        );
    }
}
