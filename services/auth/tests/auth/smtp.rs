//! Mails over SMTP (RFC 5321): a small server that does what a test wants.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use portico_proto::auth::v1::ForgotPasswordRequest;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::{EMAIL, Letter, PASSWORD, Setting};

/// What the server says to the address of a mail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Takes,
    Later,
    Never,
}

#[derive(Clone)]
struct Server {
    url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    asked: usize,
    mails: Vec<String>,
}

impl Server {
    async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let mails = Vec::new();
        let state = State {
            mood,
            asked: 0,
            mails,
        };
        let state = Arc::new(Mutex::new(state));
        let serving = Arc::clone(&state);
        #[expect(clippy::disallowed_methods, reason = "the server ends with the test")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                tokio::spawn(async move { talk(stream, &state).await });
            }
        });
        Self { url, state }
    }

    fn set(&self, mood: Mood) {
        self.state.lock().expect("no panic").mood = mood;
    }

    fn asked(&self) -> usize {
        self.state.lock().expect("no panic").asked
    }

    fn mails(&self) -> Vec<String> {
        self.state.lock().expect("no panic").mails.clone()
    }
}

async fn talk(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await.ok()?;
    while let Some(line) = lines.next_line().await.ok()? {
        let verb = line.get(..4).unwrap_or(&line).to_uppercase();
        let answer = match verb.as_str() {
            "RCPT" => {
                let mut state = state.lock().expect("no panic");
                state.asked += 1;
                match state.mood {
                    Mood::Takes => "250 fine\r\n",
                    Mood::Later => "451 later\r\n",
                    Mood::Never => "550 nobody\r\n",
                }
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await.ok()?.filter(|line| line != ".") {
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                state.lock().expect("no panic").mails.push(mail);
                "250 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 test\r\n",
        };
        write.write_all(answer.as_bytes()).await.ok()?;
    }
    Some(())
}

fn setting(server: &Server) -> Setting {
    Setting::new()
        .with("AUTH__SMTP_URL", server.url.clone())
        .with("AUTH__REQUIRE_VERIFIED_EMAIL", "false")
        .with("AUTH__MAIL_FROM", "Portico <accounts@example.org>")
        .with(
            "AUTH__LINK_VERIFY_EMAIL",
            "https://app.example.org/verify?t={token}",
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_reaches_the_server_in_both_forms() {
    let server = Server::start(Mood::Takes).await;
    let database = &portico_testing::databases()[0];
    let world = setting(&server).start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    world
        .until("the mail is there", async || !server.mails().is_empty())
        .await;
    let mail = server.mails().remove(0);
    let letter = Letter::read(&mail);
    assert_eq!(letter.to, EMAIL);
    assert!(
        letter.text.contains("https://app.example.org/verify?t="),
        "{mail}"
    );
    for part in [
        "From: Portico <accounts@example.org>",
        "Auto-Submitted: auto-generated",
        "Message-ID: <",
        "text/plain",
        "text/html",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    let none = async || world.number("SELECT COUNT(*) FROM mails").await == Some(0);
    world.until("the outbox is empty", none).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_for_a_server_that_is_unwilling_and_survives_a_restart() {
    for database in portico_testing::databases() {
        let server = Server::start(Mood::Later).await;
        let setting = setting(&server);
        let world = setting.start(&database.url).await;
        world.register(EMAIL, PASSWORD).await.expect("registers");
        world
            .until("it was tried", async || server.asked() == 1)
            .await;
        world.stop().await;

        let world = setting.start(&database.url).await;
        server.set(Mood::Takes);
        setting.hand.advance(Duration::from_secs(150));
        world
            .until("the mail is there", async || server.mails().len() == 1)
            .await;
        let none = async || world.number("SELECT COUNT(*) FROM mails").await == Some(0);
        world.until("the outbox is empty", none).await;
        assert_eq!(server.mails().len(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_nobody_gets_or_that_grew_old_is_given_up() {
    let database = &portico_testing::databases()[0];
    let server = Server::start(Mood::Never).await;
    let setting = setting(&server);
    let world = setting.start(&database.url).await;
    world.register(EMAIL, PASSWORD).await.expect("registers");
    let none = async || world.number("SELECT COUNT(*) FROM mails").await == Some(0);
    world.until("it is given up", none).await;
    assert_eq!(server.asked(), 1);

    server.set(Mood::Later);
    let email = EMAIL.to_owned();
    let forgot = ForgotPasswordRequest { email };
    let forgot = world.passwords().forgot_password(forgot).await;
    forgot.expect("answers");
    // Tried and given back, which is sooner than the end of the claim.
    let due = "SELECT CAST(strftime('%s', due_time) AS INTEGER) FROM mails";
    let soon = setting.clock.now().timestamp() + 60;
    let given_back = async || world.number(due).await.is_some_and(|due| due < soon);
    let waits = async || server.asked() == 2 && given_back().await;
    world.until("it was tried and waits", waits).await;
    setting.hand.advance(Duration::from_hours(2));
    world.until("it is given up", none).await;
    assert_eq!(server.asked(), 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_send_no_mail_twice() {
    for database in portico_testing::databases() {
        if database.name == "sqlite" {
            continue;
        }
        let server = Server::start(Mood::Takes).await;
        let setting = setting(&server);
        let first = setting.start(&database.url).await;
        let second = setting.start(&database.url).await;
        for n in 0..40 {
            let email = format!("person-{n}@example.com");
            let world = if n % 2 == 0 { &first } else { &second };
            world.register(&email, PASSWORD).await.expect("registers");
        }
        let all = async || server.mails().len() >= 40;
        first.until("all mails are there", all).await;
        let none = async || first.number("SELECT COUNT(*) FROM mails").await == Some(0);
        first.until("the outbox is empty", none).await;
        let mut receivers: Vec<String> = server
            .mails()
            .iter()
            .map(|mail| Letter::read(mail).to)
            .collect();
        receivers.sort_unstable();
        receivers.dedup();
        assert_eq!((receivers.len(), server.mails().len()), (40, 40));
        first.stop().await;
        second.stop().await;
    }
}
