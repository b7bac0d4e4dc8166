//! Real servers, where the machine has them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

/// One inline command to Redis and the start of its answer.
fn ask(url: &str, command: &str) -> std::io::Result<String> {
    let address = url.trim_start_matches("redis://");
    let address = address.split('/').next().unwrap_or(address);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// The folder in which a Redis server works.
fn folder_of(url: &str) -> String {
    let answer = ask(url, "CONFIG GET dir").expect("the server answers");
    answer
        .lines()
        .nth(4)
        .expect("a name and a value")
        .to_owned()
}

/// Whether PostgreSQL answers a request for encryption, as it does before anybody signs in.
fn postgres_answers(url: &str) -> bool {
    let address = url.split(['@', '/']).nth(3).expect("a URL with a user");
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    stream
        .write_all(&[0, 0, 0, 8, 4, 210, 22, 47])
        .expect("the server reads");
    let mut answer = [0];
    stream.read_exact(&mut answer).expect("the server answers");
    answer == *b"N"
}

#[test]
fn each_call_gives_another_database_of_one_server() {
    let Some(server) = portico_testing::postgres() else {
        return;
    };
    let (first, second) = (server.database(), server.database());
    assert_ne!(first, second);
    assert_eq!(
        first.rsplit_once('/').unwrap().0,
        second.rsplit_once('/').unwrap().0
    );
    assert!(postgres_answers(&first));
}

#[test]
fn an_own_postgres_stops_and_starts_on_its_port() {
    let Some(mut server) = portico_testing::own_postgres() else {
        return;
    };
    let url = server.database();
    server.stop();
    assert!(!postgres_answers(&url));
    server.start();
    assert!(postgres_answers(&url));
    assert_ne!(
        server.database(),
        url,
        "the databases of before are still there"
    );
}

#[test]
fn redis_answers_and_databases_are_apart() {
    let Some(server) = portico_testing::redis() else {
        return;
    };
    assert_eq!(ask(&server.url(), "PING").unwrap(), "+PONG\r\n");
    let (first, second) = (server.database(), server.database());
    assert_ne!(first, second);
    assert!(first.starts_with(&server.url()));
}

#[test]
fn an_own_redis_stops_and_starts_on_its_port() {
    let Some(mut server) = portico_testing::own_redis() else {
        return;
    };
    let url = server.url();
    assert_eq!(ask(&url, "SET key value").unwrap(), "+OK\r\n");
    server.stop();
    assert!(ask(&url, "PING").is_err());
    server.stop();
    server.start();
    assert_eq!(server.url(), url);
    assert_eq!(ask(&url, "GET key").unwrap(), "$-1\r\n", "nothing is kept");
}

#[test]
fn a_dropped_server_is_gone_with_its_folder() {
    let Some(server) = portico_testing::own_redis() else {
        return;
    };
    let url = server.url();
    let folder = folder_of(&url);
    assert!(Path::new(&folder).is_dir());
    drop(server);
    assert!(ask(&url, "PING").is_err());
    assert!(!Path::new(&folder).exists());
}

#[test]
fn each_kind_of_database_comes_fresh() {
    let databases = portico_testing::databases();
    assert_eq!(databases[0].name, "sqlite");
    assert!(databases[0].url.starts_with("sqlite:///"));
    assert_eq!(databases.len() > 1, portico_testing::postgres().is_some());
    assert_ne!(databases[0].url, portico_testing::databases()[0].url);
}

/// Runs this very test binary as another process, which starts servers and is then killed.
#[test]
fn servers_end_with_a_killed_process() {
    const CHILD: &str = "PORTICO_TEST_CHILD";
    #[expect(
        clippy::disallowed_methods,
        reason = "tells the two processes of this test apart"
    )]
    if std::env::var(CHILD).is_ok() {
        let postgres = portico_testing::postgres().map(portico_testing::Postgres::database);
        let redis = portico_testing::redis().map(portico_testing::Redis::url);
        let folder = redis.as_deref().map(folder_of);
        let found: Vec<String> = [postgres, redis, folder].into_iter().flatten().collect();
        println!("\nREADY {}", found.join(" "));
        std::thread::sleep(Duration::from_mins(5));
        return;
    }
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "servers_end_with_a_killed_process",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(output)
        .map(Result::unwrap)
        .find(|line| line.starts_with("READY"))
        .expect("the child starts its servers");
    child.kill().unwrap();
    child.wait().unwrap();

    let end = Instant::now() + Duration::from_secs(20);
    for url in ready.split(' ').filter(|word| word.contains("://")) {
        let address = url.split("//").nth(1).unwrap().split('/').next().unwrap();
        let address = address.rsplit('@').next().unwrap();
        while TcpStream::connect(address).is_ok() {
            assert!(Instant::now() < end, "{url} still answers");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    if let Some(folder) = ready.split(' ').find(|word| word.starts_with('/')) {
        while Path::new(folder).exists() {
            assert!(Instant::now() < end, "{folder} is still there");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
