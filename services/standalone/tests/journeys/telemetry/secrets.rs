//! Nothing that is a secret, and nobody's address, is in what the processes write, however much they write.

use super::collector::Collector;
use crate::{
    exercise,
    world::{self, ADMIN, PASSWORD, World},
};

/// What the journeys send as passwords, what they are made with, and how secrets begin.
const SECRETS: [&str; 12] = [
    PASSWORD,
    ADMIN.1,
    "quite another passphrase",
    "not the password",
    "another long password",
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "eyJhbGciOi",
    "eyJ0eXAiOi",
    "ptc_",
    "Bearer ",
    "otpauth:",
    "$argon2",
];

/// Lines that say where the process itself listens, and where it finds the services behind it.
const OWN_ADDRESS: [&str; 5] = [
    "\"addr\":",
    "\"address\":",
    "\"message\":\"endpoints\"",
    "listening",
    "starting service",
];

/// How the lines begin with which the standalone welcomes whoever starts it.
const WELCOME: [&str; 6] = [
    "Portico serves",
    "  e-mail:",
    "  password:",
    "curl ",
    "     -d ",
    "The first",
];

fn is_address(word: &str) -> bool {
    let word = word.rsplit_once(':').map_or(word, |(host, _port)| host);
    word.parse::<std::net::IpAddr>()
        .is_ok_and(|it| !it.is_unspecified())
}

/// The lines that tell what they must not.
fn faults(written: &str, secrets: impl Fn(&str) -> bool) -> Vec<String> {
    let apart = |c: char| !(c.is_ascii_alphanumeric() || ".:@-_".contains(c));
    let tells = |line: &&str| {
        let tells_address = || {
            let own = OWN_ADDRESS.iter().any(|it| line.contains(it));
            !own && line.split(apart).any(is_address)
        };
        secrets(line) || line.contains("@example.") || tells_address()
    };
    // Beside the log stands what the standalone says to whoever starts it, on standard output.
    let welcome = |line: &&str| WELCOME.iter().any(|it| line.starts_with(it));
    let lines = written.lines().filter(|line| !welcome(line));
    lines.filter(tells).map(str::to_owned).collect()
}

async fn nothing_is_told(world: World, collector: Collector) {
    let world = exercise(world).await;
    let told = world.client().secrets().all();
    assert!(told.len() > 100, "only {} secrets were told", told.len());
    let secrets = |line: &str| {
        SECRETS.iter().any(|it| line.contains(it)) || told.iter().any(|it| line.contains(&**it))
    };

    let written = world.output();
    assert!(
        written.contains("\"level\":\"TRACE\""),
        "the level is trace"
    );
    let lines = faults(&written, secrets);
    let shown = lines.iter().take(20).collect::<Vec<_>>();
    assert!(
        lines.is_empty(),
        "{} lines, such as {shown:#?}",
        lines.len()
    );

    // Spans may name the client's address, which is what it is for; and nothing else of the above.
    let spans = collector.all();
    assert!(spans.len() > 1000, "only {} spans", spans.len());
    for span in &spans {
        let text = format!("{:?}", span.span);
        assert!(!secrets(&text) && !text.contains("@example."), "{text}");
    }
    world.stop().await;
}

fn settings(collector: &Collector) -> Vec<(&'static str, String)> {
    let mut settings = collector.settings();
    settings.retain(|(name, _)| *name != "OTEL_TRACES_SAMPLER");
    settings.push(("OTEL_TRACES_SAMPLER", "always_on".to_owned()));
    settings.push(("OTEL_BSP_MAX_QUEUE_SIZE", "20000".to_owned()));
    settings.push(("RUST_LOG", "trace".to_owned()));
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standalone_tells_no_secret_however_much_it_logs() {
    if world::running().is_none() {
        let collector = Collector::start().await;
        let world = World::standalone_process(&settings(&collector)).await;
        nothing_is_told(world, collector).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_tell_no_secret_however_much_they_log() {
    let collector = Collector::start().await;
    if world::running().is_none()
        && let Some(world) = World::three_processes_with(&settings(&collector)).await
    {
        nothing_is_told(world, collector).await;
    }
}
