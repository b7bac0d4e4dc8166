//! Accounts found, moved in and out, and told to others.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::{
    client::Answer,
    process,
    world::{PASSWORD, World},
};

const NDJSON: &str = "application/x-ndjson";

/// The lines of an answer, each of which is JSON.
fn lines(answer: &Answer) -> Vec<Value> {
    answer.status(200);
    let lines = answer.text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("lines of JSON")
}

async fn import(world: &World, query: &str, body: String) -> Answer {
    let admin = world.admin().await;
    world
        .client()
        .request("POST", &format!("/api/v1/users:import{query}"))
        .bearer(&admin.access)
        .text(NDJSON, body)
        .send()
        .await
}

fn body(records: &[Value]) -> String {
    in_lines(records.iter().map(Value::to_string))
}

fn in_lines(records: impl Iterator<Item = String>) -> String {
    let mut text = records.collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn outcomes(answers: &[Value]) -> Vec<&'static str> {
    let short = |answer: &Value| match answer["outcome"].as_str() {
        Some("IMPORT_OUTCOME_CREATED") => "created",
        Some("IMPORT_OUTCOME_UPDATED") => "updated",
        Some("IMPORT_OUTCOME_SKIPPED") => "skipped",
        Some("IMPORT_OUTCOME_REFUSED") => "refused",
        _ => panic!("no outcome: {answer}"),
    };
    answers.iter().map(short).collect()
}

pub async fn accounts_come_in_line_by_line_and_sign_in(world: &World) {
    let client = world.client();
    let (ada, grace) = (world.fresh_email(), world.fresh_email());
    // PBKDF2-HMAC-SHA256 of PASSWORD, as an older system may have kept it.
    let hash = "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$aTA9Xvd/G3XrhSAVJsywDrlRDRTo4Co8fKmmF5pp+yc";
    let records = [
        json!({"user": {"email": ada, "displayName": "Ada"}, "passwordHash": hash}),
        json!({"user": {"email": "no address"}}),
        json!({"user": {"email": grace}, "passwordHash": "plain text"}),
        json!({"user": {"email": grace, "roles": ["no-such-role"]}}),
        json!({"user": {"email": grace}}),
    ];

    // A rehearsal says what would come of it, and leaves nothing.
    let rehearsed = lines(&import(world, "?validateOnly=true", body(&records)).await);
    let expected = ["created", "refused", "refused", "refused", "created"];
    assert_eq!(outcomes(&rehearsed), expected);
    client
        .login(&ada, PASSWORD)
        .await
        .problem(401, "INVALID_CREDENTIALS");

    let answers = lines(&import(world, "", body(&records)).await);
    assert_eq!(outcomes(&answers), expected);
    assert_eq!(answers[1]["line"], "2");
    assert_eq!(answers[1]["reason"], "INVALID_ARGUMENT");
    assert_eq!(answers[1]["errors"][0]["field"], "user.email");
    assert_eq!(answers[2]["errors"][0]["field"], "password_hash");
    assert_eq!(answers[3]["errors"][0]["field"], "user.roles");
    world
        .eventually("whoever came in signs in", async || {
            client.login(&ada, PASSWORD).await.status == 200
        })
        .await;

    // Sent again, from a line that the caller counts.
    let again = lines(&import(world, "?firstLine=11", body(&records[..1])).await);
    assert_eq!(outcomes(&again), ["skipped"]);
    assert_eq!(again[0]["line"], "11");
    let renamed = json!({"user": {"email": ada, "displayName": "Countess"}});
    let changed = lines(&import(world, "", body(&[renamed])).await);
    assert_eq!(outcomes(&changed), ["updated"]);

    // A line that is none ends it, and is named.
    let cut = format!("{}{{\"user\": \n", body(&records[4..]));
    let torn = import(world, "", cut).await;
    let last = torn.text.lines().last().unwrap_or_default();
    let last: Value = serde_json::from_str(last).expect("JSON");
    let problem = if last["error"].is_object() {
        &last["error"]
    } else {
        &last
    };
    assert_eq!(problem["line"], 2, "{}", torn.text);
    assert_eq!(problem["status"], 400, "{}", torn.text);

    let person = world.person().await;
    let refused = client
        .request("POST", "/api/v1/users:import")
        .bearer(&person.tokens.access)
        .text(NDJSON, body(&records[..1]));
    refused.send().await.problem(403, "INSUFFICIENT_SCOPE");
}

pub async fn what_goes_out_comes_in_again(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let mark = world.unique();
    let records: Vec<Value> = (0..3)
        .map(|n| json!({"user": {"email": format!("{mark}-{n}@example.org"), "locale": "de"}}))
        .collect();
    let answers = lines(&import(world, "", body(&records)).await);
    let mut ids: Vec<&str> = answers.iter().filter_map(|it| it["id"].as_str()).collect();
    ids.sort_unstable();

    let export = async |query: &str| {
        let path = format!("/api/v1/users:export{query}");
        let exported = client.get(&path).bearer(&admin.access).send().await;
        assert_eq!(exported.header("content-type"), NDJSON);
        lines(&exported)
    };
    let everybody = export("").await;
    let mine: Vec<&Value> = everybody
        .iter()
        .filter(|line| {
            line["user"]["id"]
                .as_str()
                .is_some_and(|id| ids.contains(&id))
        })
        .collect();
    let mine_ids: Vec<&str> = mine
        .iter()
        .filter_map(|it| it["user"]["id"].as_str())
        .collect();
    assert_eq!(mine_ids, ids, "in the order of ids, each once");
    // Taken up behind the second one, it has the third and not the second.
    let rest = export(&format!("?after={}", ids[1])).await;
    let has = |id: &str| rest.iter().any(|line| line["user"]["id"] == id);
    assert_eq!([has(ids[1]), has(ids[2])], [false, true]);

    let text = in_lines(mine.iter().map(ToString::to_string));
    assert_eq!(
        outcomes(&lines(&import(world, "", text).await)),
        ["skipped"; 3]
    );
    let after = client.get("/api/v1/users:export?after=x");
    after
        .bearer(&admin.access)
        .send()
        .await
        .names(400, "INVALID_ARGUMENT", "after");
    let person = world.person().await;
    let refused = client.get("/api/v1/users:export");
    let refused = refused.bearer(&person.tokens.access).send().await;
    refused.problem(403, "INSUFFICIENT_SCOPE");
}

pub async fn changes_are_watched_and_taken_up_again(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let create = async || {
        let email = json!({ "email": world.fresh_email() });
        let created = client.post("/api/v1/users", email);
        let created = created.bearer(&admin.access).send().await.ok();
        created["id"].as_str().expect("an id").to_owned()
    };
    // From the beginning of what is kept, until the account that is made now.
    let first = create().await;
    let seen = watch(world, "0", |event| event["user"]["user"]["id"] == first).await;
    let (id, event) = seen.last().expect("the event");
    assert_eq!(event["sequence"], *id);
    assert_eq!(event["user"]["revision"], "1");

    // Behind it, there is the next one and nothing from before.
    let second = create().await;
    let seen = watch(world, id, |event| event["user"]["user"]["id"] == second).await;
    assert!(seen.iter().all(|(_, it)| it["user"]["user"]["id"] != first));
    let numbers: Vec<u64> = seen.iter().filter_map(|(id, _)| id.parse().ok()).collect();
    assert!(
        numbers.is_sorted() && numbers.len() == seen.len(),
        "{numbers:?}"
    );

    let person = world.person().await;
    let refused = client
        .get("/api/v1/users:watch")
        .bearer(&person.tokens.access)
        .header("accept", "text/event-stream");
    refused.send().await.problem(403, "INSUFFICIENT_SCOPE");
}

/// Server-Sent Events behind a place, with their ids, up to the first one that is wanted.
async fn watch(
    world: &World,
    last_event_id: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Vec<(String, Value)> {
    let request = world
        .client()
        .get("/api/v1/users:watch")
        .bearer(&world.admin().await.access)
        .header("accept", "text/event-stream")
        .header("last-event-id", last_event_id);
    let listen = async {
        let mut stream = request.stream().await;
        let (mut text, mut events) = (String::new(), Vec::new());
        loop {
            let piece = stream.chunk().await.expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&piece.expect("and has no end")));
            while let Some((event, rest)) = text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.next().map(|value| value.trim().to_owned())
                };
                let pair = field("id:").zip(field("data:"));
                let rest = rest.to_owned();
                if let Some((id, data)) = pair {
                    let data = serde_json::from_str(&data).expect("JSON");
                    let last = wanted(&data);
                    events.push((id, data));
                    if last {
                        return events;
                    }
                }
                text = rest;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listen)
        .await
        .expect("the event within half a minute")
}

pub async fn accounts_are_filtered_searched_and_paged(world: &World) {
    let client = world.client();
    let admin = world.admin().await;
    let mark = world.unique();
    let records: Vec<Value> = ["ada", "bob", "cy%"]
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let email = format!("{mark}-{n}@example.org");
            json!({"user": {"email": email, "displayName": format!("{name} {mark}"), "locale": "fr-FR"}})
        })
        .collect();
    lines(&import(world, "", body(&records)).await);
    let list = async |query: &[(&str, &str)]| {
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let path = format!("/api/v1/users?{}", query.join("&"));
        client.get(&path).bearer(&admin.access).send().await
    };
    let names = |page: &Value| -> Vec<String> {
        let users = page["users"].as_array().cloned().unwrap_or_default();
        let name = |user: &Value| user["displayName"].as_str().map(str::to_owned);
        users
            .iter()
            .filter_map(name)
            .filter_map(|name| Some(name.split_once(' ')?.0.to_owned()))
            .collect()
    };
    let order = ("orderBy", "display_name desc");
    let filter = format!("locale = fr-FR AND email : \"{mark}\"");
    let filtered = list(&[("filter", &filter), order, ("showTotalSize", "true")]).await;
    let filtered = filtered.ok();
    assert_eq!(names(&filtered), ["cy%", "bob", "ada"]);
    assert_eq!(filtered["totalSize"], 3);
    let searched = list(&[("search", &format!("bob {mark}"))]).await.ok();
    assert_eq!(names(&searched), ["bob"]);
    // What SQL takes for a wildcard is text.
    for (search, found) in [("cy%", &["cy%"][..]), ("b%b", &[]), ("a_a", &[])] {
        let search = format!("{search} {mark}");
        assert_eq!(names(&list(&[("search", &search)]).await.ok()), found);
    }

    let first = [
        ("search", mark.as_str()),
        order,
        ("pageSize", "2"),
        ("readMask", "displayName"),
    ];
    let page = list(&first).await.ok();
    assert_eq!(names(&page), ["cy%", "bob"]);
    assert!(page["users"][0].get("email").is_none(), "{page}");
    let token = page["nextPageToken"].as_str().expect("a second page");
    let rest = list(&[("search", &mark), order, ("pageToken", token)]).await;
    assert_eq!(names(&rest.ok()), ["ada"]);

    let foreign = list(&[("search", "ada"), order, ("pageToken", token)]).await;
    foreign.names(400, "INVALID_ARGUMENT", "pageToken");
    for (name, value) in [
        ("filter", "colour = red"),
        ("filter", "email = "),
        ("filter", "status = ASLEEP"),
        ("orderBy", "shoe_size"),
        ("readMask", "shoeSize"),
        ("pageSize", "1001"),
    ] {
        let refused = list(&[(name, value)]).await;
        refused.names(400, "INVALID_ARGUMENT", name);
    }
    let refused = list(&[("filter", "status = ACTIVE AND colour = red")]).await;
    let problem = refused.problem(400, "INVALID_ARGUMENT");
    let told = problem["detail"].as_str().unwrap_or_default();
    assert!(told.contains("21"), "the column of the fault: {told}");
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// What `portico-user` says and whether it was content.
async fn command(world: &World, arguments: &[&str]) -> (String, bool) {
    let token = world.admin().await.access.clone();
    let settings = [
        ("PORTICO_TOKEN".to_owned(), token),
        ("PORTICO_URL".to_owned(), world.client().base().to_owned()),
    ];
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        process::output("portico-user", &arguments, &settings)
    };
    let output = tokio::task::spawn_blocking(run).await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, output.status.success())
}

pub async fn a_command_moves_accounts_in_and_out(world: &World) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("people.ndjson");
    let path = file.to_str().expect("text").to_owned();
    let emails = [(); 3].map(|()| world.fresh_email());
    let record = |email: &str| json!({"user": {"email": email}}).to_string();
    let [ada, bob, cy] = emails.each_ref().map(|email| record(email));
    let text = format!("{ada}\n\n{}\n{bob}\n{cy}", record("nobody"));
    fs::write(&file, text).expect("a file");

    let (said, content) = command(world, &["import", &path, "--validate-only"]).await;
    assert!(said.contains("4 of 4 accounts: 3 created"), "{said}");
    assert!(!content, "one line was refused");
    let (said, _) = command(world, &["import", &path]).await;
    assert!(
        said.contains("3 created, 0 updated, 0 skipped, 1 refused"),
        "{said}"
    );
    // The line in the file, the empty one before it counted.
    assert!(
        said.contains("people.ndjson, line 3: refused, INVALID_ARGUMENT"),
        "{said}"
    );
    let refused = fs::read_to_string(folder.path().join("people.ndjson.refused"));
    let refused: Value = serde_json::from_str(&refused.expect("a list")).expect("JSON");
    assert_eq!(refused["line"], 3);

    // A line that is none is named, and what came before it is not sent again.
    fs::write(&file, format!("{ada}\n{{\"user\":\n{bob}\n")).expect("a file");
    let (said, content) = command(world, &["import", &path]).await;
    assert!(!content && said.contains("people.ndjson, line 2"), "{said}");
    fs::write(&file, format!("{ada}\n{bob}\n")).expect("a file");
    let (said, content) = command(world, &["import", &path]).await;
    assert!(content && said.contains("2 skipped, 0 refused"), "{said}");

    let out = folder.path().join("out.ndjson");
    let out_path = out.to_str().expect("text").to_owned();
    let (said, content) = command(world, &["export", &out_path]).await;
    assert!(content, "{said}");
    let exported = fs::read_to_string(&out).expect("the export");
    for email in &emails {
        assert_eq!(exported.matches(email.as_str()).count(), 1, "{email}");
    }
    let (said, content) = command(world, &["export", &out_path]).await;
    assert!(!content && said.contains("--force"), "{said}");
    // One that was cut off goes on behind its last whole line.
    let lines: Vec<&str> = exported.lines().collect();
    let part = folder.path().join("again.ndjson.part");
    fs::write(part, format!("{}\n{{\"user\":{{\"id", lines[0])).expect("a file");
    let again = folder.path().join("again.ndjson");
    let again_path = again.to_str().expect("text").to_owned();
    let (said, content) = command(world, &["export", &again_path]).await;
    assert!(
        content && said.contains("going on behind 1 accounts"),
        "{said}"
    );
    let rest = fs::read_to_string(&again).expect("the export");
    assert_eq!(rest.lines().next(), Some(lines[0]));
    assert_eq!(rest.matches(emails[2].as_str()).count(), 1);
}
