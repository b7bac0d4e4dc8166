use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;
use crate::openapi::testing::{document, set};

fn ours() -> Value {
    document(&[
        portico_proto::user::DESCRIPTOR_SET,
        portico_proto::auth::DESCRIPTOR_SET,
    ])
}

fn names(parameters: &Value) -> Vec<(String, String)> {
    let all = parameters.as_array().unwrap().iter();
    all.map(|it| match it["$ref"].as_str() {
        Some(to) => ("ref".to_owned(), to.rsplit('/').next().unwrap().to_owned()),
        None => (
            it["in"].as_str().unwrap().to_owned(),
            it["name"].as_str().unwrap().to_owned(),
        ),
    })
    .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = expected.iter();
    pairs
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

fn statuses(operation: &Value) -> Vec<&str> {
    let responses = operation["responses"].as_object().unwrap();
    responses.keys().map(String::as_str).collect()
}

/// Every operation of a document.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            found.push((format!("{verb} {path}"), operation));
        }
    }
    found
}

fn references(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Array(items) => items.iter().for_each(|it| references(it, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(to) if name == "$ref" => found.push(to.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_route_is_an_operation_with_an_id_of_its_own() {
    let contract = crate::openapi::testing::contract(&[
        portico_proto::user::DESCRIPTOR_SET,
        portico_proto::auth::DESCRIPTOR_SET,
    ]);
    let document = ours();
    let operations = operations(&document);
    assert_eq!(operations.len(), contract.routes().count());
    let ids: HashSet<&str> = operations
        .iter()
        .map(|(_, it)| it["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), operations.len());
    assert!(ids.contains("UserService_GetUser"));
    assert!(ids.contains("SessionService_ListSessions_2"));
}

#[test]
fn every_reference_leads_somewhere() {
    for document in [ours(), document(&[set()])] {
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for to in found {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
    }
}

#[test]
fn a_read_says_who_may_and_what_can_go_wrong() {
    let document = ours();
    let get = &document["paths"]["/api/v1/users/{id}"]["get"];
    assert_eq!(get["summary"], "Reads one account");
    assert_eq!(
        get["description"],
        "Reads one account. The id `me` is the caller's own.\n\n\
         Needs an access token with the scope `users:read`, or the caller's own id as `id`."
    );
    assert_eq!(get["tags"], json!(["UserService"]));
    assert_eq!(
        get["security"],
        json!([{"accessToken": ["users:read"]}, {"accessToken": []}])
    );
    assert_eq!(get["x-required-scopes"], json!(["users:read"]));
    assert_eq!(
        statuses(get),
        [
            "200", "400", "401", "403", "404", "414", "429", "500", "503", "504"
        ]
    );
    let ok = &get["responses"]["200"];
    assert_eq!(
        ok["content"]["application/json"]["schema"],
        json!({"$ref": "#/components/schemas/portico.user.v1.User"})
    );
    assert!(ok["headers"].get("ETag").is_some());
    let id = &get["parameters"][0];
    assert_eq!((&id["in"], &id["required"]), (&json!("path"), &json!(true)));
    assert!(
        id["schema"]["pattern"]
            .as_str()
            .unwrap()
            .starts_with("^(me|")
    );
}

#[test]
fn a_list_takes_its_fields_from_the_query() {
    let document = ours();
    let list = &document["paths"]["/api/v1/users"]["get"];
    assert_eq!(
        names(&list["parameters"]),
        pairs(&[
            ("query", "pageSize"),
            ("query", "pageToken"),
            ("query", "filter"),
            ("query", "orderBy"),
            ("query", "search"),
            ("query", "showDeleted"),
            ("query", "showTotalSize"),
            ("query", "readMask"),
        ])
    );
    let size = &list["parameters"][0]["schema"];
    assert_eq!(
        (&size["minimum"], &size["maximum"]),
        (&json!(0), &json!(1000))
    );
    let batch = &document["paths"]["/api/v1/users:batchGet"]["get"]["parameters"][0];
    assert_eq!(batch["required"], true);
    assert_eq!(batch["explode"], true);
    assert_eq!(batch["schema"]["items"]["format"], "uuid");
    assert_eq!(batch["schema"]["maxItems"], 100);
}

#[test]
fn a_change_takes_part_of_the_resource_and_its_tag() {
    let document = ours();
    let patch = &document["paths"]["/api/v1/users/{id}"]["patch"];
    assert_eq!(
        names(&patch["parameters"]),
        pairs(&[("path", "id"), ("query", "updateMask"), ("ref", "IfMatch")])
    );
    assert_eq!(
        patch["parameters"][0]["schema"],
        document["paths"]["/api/v1/users/{id}"]["get"]["parameters"][0]["schema"]
    );
    let mask = patch["parameters"][1]["schema"]["pattern"]
        .as_str()
        .unwrap();
    assert!(
        mask.starts_with("^((email|") && mask.contains("|displayName|"),
        "{mask}"
    );
    assert!(
        !mask.contains("|id|") && !mask.contains("createTime"),
        "{mask}"
    );
    let body = &patch["requestBody"];
    assert_eq!(body["required"], true);
    assert_eq!(
        body["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/portico.user.v1.User-Patch"
    );
    assert_eq!(
        statuses(patch),
        [
            "200", "400", "401", "403", "404", "408", "409", "412", "413", "414", "415", "429",
            "500", "503", "504"
        ]
    );
}

#[test]
fn what_the_path_gives_is_not_in_the_body() {
    let document = ours();
    let suspend = &document["paths"]["/api/v1/users/{id}:suspend"]["post"]["requestBody"];
    assert!(suspend.get("required").is_none());
    let schema = &suspend["content"]["application/json"]["schema"];
    let members: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(members, ["etag"]);
}

#[test]
fn a_public_call_needs_nothing_and_names_its_failures() {
    let document = ours();
    let login = &document["paths"]["/api/v1/auth/login"]["post"];
    assert_eq!(login["security"], json!([]));
    let said = login["responses"]["401"]["description"].as_str().unwrap();
    assert!(said.contains("`INVALID_CREDENTIALS`"), "{said}");
    assert!(statuses(login).contains(&"429"));
    assert!(!statuses(login).contains(&"403"));
    let create = &document["paths"]["/api/v1/users"]["post"];
    let said = create["responses"]["409"]["description"].as_str().unwrap();
    assert!(
        said.contains("`EMAIL_TAKEN`") && said.contains("`USERNAME_TAKEN`"),
        "{said}"
    );
    assert!(names(&create["parameters"]).contains(&("ref".into(), "IdempotencyKey".into())));
    assert!(statuses(create).contains(&"422"));
    assert_eq!(
        login["requestBody"]["content"]["application/json"]["schema"],
        json!({"$ref": "#/components/schemas/portico.auth.v1.LoginRequest"}),
        "what is only sent has its plain name"
    );
}

#[test]
fn what_only_services_may_call_is_not_told() {
    let text = ours().to_string();
    for name in ["ProvisionUser", "UserEvents", "portico.policy"] {
        assert!(!text.contains(name), "{name}");
    }
}

#[test]
fn services_are_tags_with_their_comments() {
    let tags = ours()["tags"].clone();
    assert!(tags.as_array().unwrap().contains(&json!({
        "name": "UserService",
        "description": "Accounts: who exists, and what is known of them.",
    })));
}

#[test]
fn a_message_in_the_query_is_flattened_and_never_endless() {
    let document = document(&[set()]);
    let find = &document["paths"]["/v1/shelves/{shelvesId}/things/{number}"]["get"];
    assert_eq!(
        names(&find["parameters"]),
        pairs(&[
            ("path", "shelvesId"),
            ("path", "number"),
            ("query", "filter.small"),
            ("query", "filter.startsWith"),
            ("query", "colors"),
            ("query", "since"),
            ("query", "sure"),
        ])
    );
    assert_eq!(find["parameters"][6]["schema"], json!({"type": "boolean"}));
    assert_eq!(
        find["parameters"][0]["description"],
        "A part of `shelf`, which is `shelves/*`."
    );
}

#[test]
fn streams_and_other_content_have_their_media_types() {
    let document = document(&[set()]);
    let paths = &document["paths"];
    let content = |it: &Value| -> Vec<String> { it.as_object().unwrap().keys().cloned().collect() };
    let watch = &paths["/v1/things:watch"]["get"];
    assert_eq!(
        content(&watch["responses"]["200"]["content"]),
        ["application/x-ndjson", "text/event-stream"]
    );
    assert_eq!(
        names(&watch["parameters"]),
        pairs(&[("query", "after"), ("header", "Last-Event-ID")])
    );
    let pour = &paths["/v1/things:pour"]["post"];
    assert_eq!(
        content(&pour["requestBody"]["content"]),
        ["application/x-ndjson"]
    );
    let picture = &paths["/v1/picture"];
    assert_eq!(
        content(picture),
        ["delete", "get", "patch", "post", "put"],
        "a rule for every method"
    );
    assert_eq!(picture["get"]["deprecated"], true);
    assert_eq!(
        picture["put"]["responses"]["200"]["content"],
        json!({"*/*": {}})
    );
    assert_eq!(picture["put"]["requestBody"]["content"], json!({"*/*": {}}));
    let names = &paths["/v1/names"]["x-other-methods"]["LIST"];
    let schema = &names["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema["type"], "array");
}

#[test]
fn the_same_service_twice_is_told_once() {
    let one = document(&[set()]);
    let two = document(&[set(), set()]);
    assert_eq!(one, two);
}

#[test]
fn the_document_is_the_same_every_time() {
    let text = |it: Json| serde_json::to_string(&it).unwrap();
    let sets = [portico_proto::user::DESCRIPTOR_SET, set()];
    let contract = crate::openapi::testing::contract(&sets);
    assert_eq!(text(describe(&contract)), text(describe(&contract)));
}
