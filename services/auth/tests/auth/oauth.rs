//! The token endpoint, introspection and revocation, as clients meet them.

use portico_proto::{
    auth::v1::{
        ClientAuthMethod, GetServerMetadataRequest, ListClientsRequest, OAuthClient, TokenRequest,
    },
    error::Reason,
    google::api::HttpBody,
};
use serde_json::{Value, json};

use crate::support::{World, bearing, claims, machines::plain_client};

/// A parameter of a form, and its value.
type Field<'a> = (&'a str, &'a str);

const GRANT: Field = ("grant_type", "client_credentials");

#[tokio::test(flavor = "multi_thread")]
async fn a_known_client_gets_its_token_without_a_statement() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let client = world.client(&by, &["orders:read", "orders:write"]).await;
        world.hush().await;
        let cold = world.granted(&client).await;
        assert_eq!(world.statements.of_calls().len(), 1);
        let warm = world.granted(&client).await;
        assert_eq!(world.statements.of_calls().len(), 1, "none for the second");
        assert_ne!(cold.token(), warm.token());
        assert_eq!(warm.json["expires_in"], 600);
        assert_eq!(warm.json["scope"], "orders:read orders:write");
        assert_eq!(warm.json["refresh_token"], Value::Null);
        let claims = claims(warm.token());
        assert_eq!(claims["sub"], format!("client:{}", client.0));
        assert_eq!(claims["client_id"], client.0);
        assert_eq!(claims["aud"], "portico");
        assert_eq!(claims["roles"], Value::Null);

        let (id, secret) = &client;
        let posted = [
            GRANT,
            ("client_id", id),
            ("client_secret", secret),
            ("scope", "orders:read"),
        ];
        let posted = world.token(None, &posted).await;
        assert_eq!(posted.json["scope"], "orders:read");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_which_clients_there_are() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let (known, right) = world.client(&by, &[]).await;
        let (_, wrong) = world.client(&by, &[]).await;
        let unknown = "018f0000-0000-7000-8000-000000000000";
        world.hush().await;
        let mut counts = Vec::new();
        let mut bodies = Vec::new();
        for id in [known.as_str(), unknown] {
            for _ in 0..2 {
                world.statements.forget();
                let reply = world.token(Some((id, &wrong)), &[GRANT]).await;
                assert_eq!(reply.error(401), "invalid_client");
                counts.push(world.statements.of_calls().len());
                bodies.push(reply.json);
            }
        }
        assert_eq!(counts, [1, 0, 1, 0], "the same work for both");
        for (id, secret) in [
            (known.as_str(), ""),
            (&known, "ptc_"),
            ("portico", &right),
            ("", &right),
        ] {
            bodies.push(world.token(Some((id, secret)), &[GRANT]).await.json);
        }
        let long = "x".repeat(20_000);
        bodies.push(world.token(Some((&known, &long)), &[GRANT]).await.json);
        bodies.push(world.token(Some((&long, &right)), &[GRANT]).await.json);
        let upper = known.to_uppercase();
        bodies.push(world.token(Some((&upper, &right)), &[GRANT]).await.json);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_and_resources_are_the_clients_own() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let made = OAuthClient {
            resources: vec![
                "https://a.example".to_owned(),
                "https://b.example".to_owned(),
            ],
            ..plain_client(&["orders:read"])
        };
        let made = world.create_client(&by, made).await.expect("creates");
        let (id, secret) = (made.client.expect("a client").id, made.client_secret);
        let ask = async |more: &[(&str, &str)]| {
            let fields = [&[GRANT][..], more].concat();
            world.token(Some((&id, &secret)), &fields).await
        };
        for scope in [
            "orders:write",
            "orders:read orders:write",
            "portico.internal",
            " ",
        ] {
            let reply = ask(&[("scope", scope)]).await;
            assert_eq!(reply.error(400), "invalid_scope", "{scope}");
        }
        let one = ask(&[("resource", "https://a.example")]).await;
        assert_eq!(claims(one.token())["aud"], "https://a.example");
        let list = bearing(one.token(), ListClientsRequest::default());
        let status = world
            .clients()
            .list_clients(list)
            .await
            .expect_err("is for another");
        assert_eq!(Reason::of(&status), Some(Reason::TokenInvalid));
        let both = ask(&[
            ("resource", "https://a.example"),
            ("resource", "https://b.example"),
        ])
        .await;
        assert_eq!(
            claims(both.token())["aud"],
            json!(["https://a.example", "https://b.example"])
        );
        for resource in ["https://c.example", "portico", "https://a.example/"] {
            let reply = ask(&[("resource", resource)]).await;
            assert_eq!(reply.error(400), "invalid_target", "{resource}");
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_as_it_must_be_is_refused() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let by = world.operator().await;
    let (id, secret) = world.client(&by, &["orders:read"]).await;
    let basic = Some((id.as_str(), secret.as_str()));
    let rows: [(&[(&str, &str)], &str); 8] = [
        (&[], "invalid_request"),
        (&[("grant_type", "")], "invalid_request"),
        (&[GRANT, GRANT], "invalid_request"),
        (&[GRANT, ("scope", "a"), ("scope", "b")], "invalid_request"),
        (&[GRANT, ("client_secret", &secret)], "invalid_request"),
        (&[GRANT, ("client_id", "portico")], "invalid_request"),
        (
            &[
                ("grant_type", "password"),
                ("username", "a"),
                ("password", "b"),
            ],
            "unsupported_grant_type",
        ),
        (
            &[("grant_type", "refresh_token"), ("refresh_token", "x")],
            "unauthorized_client",
        ),
    ];
    for (fields, error) in rows {
        assert_eq!(
            world.token(basic, fields).await.error(400),
            error,
            "{fields:?}"
        );
    }
    let reply = world.token(None, &[GRANT]).await;
    assert_eq!(reply.error(401), "invalid_client");
    let reply = world.token(basic, &[GRANT, ("something", "else")]).await;
    assert_eq!(reply.status, 200, "unknown parameters are ignored");

    let request = TokenRequest {
        form: Some(HttpBody {
            content_type: "application/json".to_owned(),
            data: r#"{"grant_type":"client_credentials"}"#.into(),
        }),
    };
    let answer = world.oauth().token(request).await.expect("is answered");
    assert_eq!(
        answer
            .metadata()
            .get("portico-http-status")
            .expect("a status"),
        "400"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_refreshed_by_its_own_client_alone() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let thief = OAuthClient {
            grant_types: vec!["refresh_token".to_owned()],
            ..plain_client(&[])
        };
        let thief = world.create_client(&by, thief).await.expect("creates");
        let (id, secret) = (thief.client.expect("a client").id, thief.client_secret);
        let first = world
            .login("operator@example.com", crate::support::PASSWORD)
            .await
            .expect("signs in");
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &*first.refresh_token),
        ];
        let stolen = world.token(Some((&id, &secret)), &refresh).await;
        assert_eq!(stolen.error(400), "invalid_grant");

        world.hush().await;
        let own = [&refresh[..], &[("client_id", "portico")]].concat();
        let second = world.token(None, &own).await;
        assert!(
            world.statements.of_calls().len() <= 2,
            "{:?}",
            world.statements.of_calls()
        );
        assert_eq!(claims(second.token())["sid"], first.session_id);
        assert_eq!(claims(second.token())["client_id"], "portico");
        let again = second.json["refresh_token"].as_str().expect("the next one");
        assert_ne!(again, first.refresh_token);
        let narrowed = async |scope: &str| {
            let form = [
                ("grant_type", "refresh_token"),
                ("refresh_token", again),
                ("client_id", "portico"),
                ("scope", scope),
            ];
            world.token(None, &form).await
        };
        for more in ["orders:read made:up", "made:up"] {
            assert_eq!(narrowed(more).await.error(400), "invalid_scope");
        }
        // Nothing was used up.
        let third = narrowed("orders:read").await;
        assert_eq!(third.json["scope"], "orders:read");
        let last = third.json["refresh_token"].as_str().expect("the next one");
        let whole = world
            .refresh(last)
            .await
            .expect("the REST API refreshes the same family");
        assert!(
            whole.scope.contains("orders:write"),
            "the family keeps its scopes"
        );
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_learns_of_its_own_tokens_alone() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let (own, other) = (
            world.client(&by, &["orders:read"]).await,
            world.client(&by, &[]).await,
        );
        let trusted = OAuthClient {
            introspects_all: true,
            ..plain_client(&[])
        };
        let trusted = world.create_client(&by, trusted).await.expect("creates");
        let trusted = (trusted.client.expect("a client").id, trusted.client_secret);
        let token = world.granted(&own).await.token().to_owned();

        let told = world.introspect(&own, &token).await.json;
        assert_eq!(told["active"], true);
        assert_eq!(
            (&told["client_id"], &told["scope"]),
            (&json!(own.0), &json!("orders:read"))
        );
        assert_eq!(
            told["exp"].as_i64().expect("exp") - told["iat"].as_i64().expect("iat"),
            600
        );
        assert_eq!(told["iss"], "http://127.0.0.1:3000");
        let inactive = json!({"active": false});
        assert_eq!(world.introspect(&other, &token).await.json, inactive);
        assert_eq!(world.introspect(&own, &by).await.json, inactive);
        assert_eq!(
            world.introspect(&trusted, &token).await.json["active"],
            true
        );
        assert_eq!(world.introspect(&trusted, &by).await.json["active"], true);
        let (start, end) = token.split_at(token.len() - 10);
        let other_letter = if end.starts_with('A') { 'B' } else { 'A' };
        let forged = format!("{start}{other_letter}{}", &end[1..]);
        for garbage in ["x", "ptc_x", &forged, &"x".repeat(20_000)] {
            assert_eq!(world.introspect(&trusted, garbage).await.json, inactive);
        }
        let refused = world
            .introspect(&(own.0.clone(), other.1.clone()), &token)
            .await;
        assert_eq!(refused.error(401), "invalid_client");
        world.hand.advance(std::time::Duration::from_secs(631));
        assert_eq!(world.introspect(&own, &token).await.json, inactive);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_revokes_its_own_tokens_alone() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let (own, other) = (
            world.client(&by, &["clients:read"]).await,
            world.client(&by, &[]).await,
        );
        let token = world.granted(&own).await.token().to_owned();
        let sibling = world.granted(&own).await.token().to_owned();
        let foreign = world
            .revoke(Some((&other.0, &other.1)), &[("token", &token)])
            .await;
        assert_eq!(foreign.error(400), "invalid_grant");
        assert_eq!(world.introspect(&own, &token).await.json["active"], true);

        let reply = world
            .revoke(Some((&own.0, &own.1)), &[("token", &token)])
            .await;
        assert_eq!((reply.status, reply.json), (200, Value::Null));
        assert_eq!(world.introspect(&own, &token).await.json["active"], false);
        assert_eq!(world.introspect(&own, &sibling).await.json["active"], true);
        let garbage = world
            .revoke(Some((&own.0, &own.1)), &[("token", "x")])
            .await;
        assert_eq!(garbage.status, 200, "what is no token is revoked");

        let session = world.ada().await;
        let refresh = [("token", &*session.refresh_token)];
        let foreign = world.revoke(Some((&own.0, &own.1)), &refresh).await;
        assert_eq!(foreign.error(400), "invalid_grant");
        let fields = [
            refresh[0],
            ("client_id", "portico"),
            ("token_type_hint", "access_token"),
        ];
        let reply = world.revoke(None, &fields).await;
        let ended = reply
            .metadata
            .get("portico-ended-session")
            .expect("the edge is told");
        assert_eq!(ended, session.session_id.as_str());
        let status = world
            .refresh(&session.refresh_token)
            .await
            .expect_err("has ended");
        assert_eq!(Reason::of(&status), Some(Reason::InvalidGrant));
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_secret_a_client_neither_learns_of_a_token_nor_ends_it() {
    for database in portico_testing::databases() {
        let world = World::start(&database.url).await;
        let by = world.operator().await;
        let own = world.client(&by, &["clients:read"]).await;
        let (_, wrong) = world.client(&by, &[]).await;
        let token = world.granted(&own).await.token().to_owned();
        let (id, right) = (own.0.as_str(), own.1.as_str());
        let (token, named) = (("token", token.as_str()), ("client_id", id));
        // By HTTP Basic, and in the form.
        let rows: [(Option<&str>, &[Field]); 7] = [
            (None, &[token]),
            (None, &[token, ("client_secret", right)]),
            (None, &[token, named]),
            (None, &[token, named, ("client_secret", "")]),
            (None, &[token, named, ("client_secret", &wrong)]),
            (Some(""), &[token]),
            (Some(&wrong), &[token]),
        ];
        for (secret, fields) in rows {
            let basic = secret.map(|secret| (id, secret));
            let told = world.introspect_as(basic, fields).await;
            assert_eq!(told.error(401), "invalid_client", "{basic:?} {fields:?}");
            assert_eq!(told.json["active"], Value::Null);
            let ended = world.revoke(basic, fields).await;
            assert_eq!(ended.error(401), "invalid_client", "{basic:?} {fields:?}");
            let told = world.introspect(&own, token.1).await;
            assert_eq!(told.json["active"], true, "{basic:?} {fields:?}");
        }
        // The same with the right secret is answered, so it was the secret that was missing.
        let proved = [token, named, ("client_secret", right)];
        let told = world.introspect_as(None, &proved).await;
        assert_eq!(told.json["active"], true);
        assert_eq!(world.revoke(None, &proved).await.status, 200);
        let told = world.introspect(&own, token.1).await;
        assert_eq!(told.json["active"], false);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_client_gets_nothing_for_itself() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let by = world.operator().await;
    let public = OAuthClient {
        auth_method: ClientAuthMethod::None.into(),
        grant_types: vec!["refresh_token".to_owned()],
        ..plain_client(&[])
    };
    let made = world.create_client(&by, public).await.expect("creates");
    assert_eq!(made.client_secret, "");
    let id = made.client.expect("a client").id;
    let reply = world.token(None, &[GRANT, ("client_id", &id)]).await;
    assert_eq!(reply.error(400), "unauthorized_client");
    let (confidential, _) = world.client(&by, &[]).await;
    let reply = world
        .token(None, &[GRANT, ("client_id", &confidential)])
        .await;
    assert_eq!(
        reply.error(401),
        "invalid_client",
        "an id alone proves nothing"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_says_what_there_is() {
    let database = portico_testing::databases()
        .into_iter()
        .next()
        .expect("one");
    let world = World::start(&database.url).await;
    let answer = world
        .oauth()
        .get_server_metadata(GetServerMetadataRequest {})
        .await;
    let answer = answer.expect("answers");
    assert!(answer.metadata().get("cache-control").is_some());
    let document: Value = serde_json::from_slice(&answer.get_ref().data).expect("JSON");
    assert_eq!(document["issuer"], "http://127.0.0.1:3000");
    assert_eq!(
        document["token_endpoint"],
        "http://127.0.0.1:3000/oauth2/token"
    );
    assert_eq!(document["response_types_supported"], json!([]));
    assert!(document["authorization_endpoint"].is_null());
    world.stop().await;
}
