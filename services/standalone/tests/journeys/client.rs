//! A REST client that says what it expected when it got something else.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use reqwest::{
    Method,
    header::{HeaderMap, HeaderName},
};
use serde_json::{Value, json};

/// A client of one running system.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    secrets: Secrets,
}

/// Whatever secret an answer gave, so that a test can look for it where it must not be.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<BTreeSet<String>>>);

impl Secrets {
    pub fn all(&self) -> BTreeSet<String> {
        self.0.lock().expect("no panic").clone()
    }

    /// Keeps each text whose key says that it is one.
    fn keep(&self, answer: &Value) {
        match answer {
            Value::Object(members) => {
                for (key, value) in members {
                    if is_secret(key) {
                        self.keep_all(value);
                    } else {
                        self.keep(value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.keep(item)),
            _ => {}
        }
    }

    fn keep_all(&self, value: &Value) {
        match value {
            Value::String(text) if text.len() > 7 => {
                self.0.lock().expect("no panic").insert(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| self.keep_all(item)),
            // What a challenge may be answered with is a name, and no secret.
            Value::Object(members) => {
                let secret = members.iter().filter(|(key, _)| *key != "methods");
                secret.for_each(|(_, value)| self.keep_all(value));
            }
            _ => {}
        }
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let about = ["type", "page", "expire", "time", "id"];
    let told = ["token", "secret", "recovery", "uri", "codes", "challenge"];
    key == "key"
        || told.iter().any(|it| key.contains(it)) && !about.iter().any(|it| key.contains(it))
}

/// One request, built in the order in which it reads.
pub struct Request {
    inner: reqwest::RequestBuilder,
    line: String,
    secrets: Secrets,
}

/// What came back.
pub struct Answer {
    line: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

/// What login and refresh answer.
#[derive(Clone)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
    /// For the device; only sign-ins give one.
    pub device: String,
}

impl Client {
    pub fn new(base: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: base.trim_end_matches('/').to_owned(),
            secrets: Secrets::default(),
        }
    }

    /// The secrets that it was told so far.
    pub fn secrets(&self) -> Secrets {
        self.secrets.clone()
    }

    /// Where the system is.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let line = format!("{method} {path}");
        Request {
            inner: self.http.request(method, format!("{}{path}", self.base)),
            line,
            secrets: self.secrets.clone(),
        }
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str, body: Value) -> Request {
        self.request("POST", path).json(body)
    }

    pub async fn register(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/api/v1/auth/register",
            json!({ "email": email, "password": password }),
        )
        .send()
        .await
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/api/v1/auth/login",
            json!({ "email": email, "password": password }),
        )
        .send()
        .await
    }

    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post(
            "/api/v1/auth/refresh",
            json!({ "refreshToken": refresh_token }),
        )
        .send()
        .await
    }
}

impl Request {
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn header(self, name: &'static str, value: impl AsRef<str>) -> Self {
        let inner = self
            .inner
            .header(HeaderName::from_static(name), value.as_ref());
        Self { inner, ..self }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write the body in place"
    )]
    pub fn json(self, body: Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub fn text(self, media_type: &'static str, body: String) -> Self {
        let inner = self.inner.header("content-type", media_type).body(body);
        Self { inner, ..self }
    }

    pub async fn send(self) -> Answer {
        self.try_send()
            .await
            .unwrap_or_else(|(line, error)| panic!("{line}: {error}"))
    }

    /// The answer while it arrives.
    pub async fn stream(self) -> reqwest::Response {
        let Self { inner, line, .. } = self;
        let response = inner.send().await;
        let response = response.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(response.status(), 200, "{line}");
        response
    }

    /// As [`send`](Self::send), for a system that may be gone.
    pub async fn try_send(self) -> Result<Answer, (String, reqwest::Error)> {
        let Self {
            inner,
            line,
            secrets,
        } = self;
        let answer = async {
            let response = inner.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            if let Ok(answer) = serde_json::from_str(&text) {
                secrets.keep(&answer);
            }
            Ok((status, headers, text))
        };
        match answer.await {
            Ok((status, headers, text)) => Ok(Answer {
                line,
                status,
                headers,
                text,
            }),
            Err(error) => Err((line, error)),
        }
    }
}

impl Answer {
    /// The JSON body, when the status is 200.
    pub fn ok(&self) -> Value {
        self.status(200);
        self.json()
    }

    pub fn status(&self, expected: u16) {
        assert_eq!(self.status, expected, "{}: {}", self.line, self.text);
    }

    /// The problem document, when status and code are the expected ones.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        self.status(status);
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{}",
            self.line
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}: {}", self.line, self.text);
        assert_eq!(problem["status"], status, "{}: {}", self.line, self.text);
        assert!(
            problem["title"].is_string() && problem["type"].is_string(),
            "{}",
            self.text
        );
        assert_eq!(
            problem["requestId"],
            self.header("x-request-id"),
            "{}",
            self.line
        );
        problem
    }

    /// As [`problem`](Self::problem), and it names this field.
    pub fn names(&self, status: u16, code: &str, field: &str) {
        let problem = self.problem(status, code);
        let fields: Vec<_> = problem["errors"]
            .as_array()
            .map(|errors| errors.iter().filter_map(|e| e["field"].as_str()).collect())
            .unwrap_or_default();
        assert!(
            fields.contains(&field),
            "{}: no error names {field}: {}",
            self.line,
            self.text
        );
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }

    pub fn tokens(&self) -> Tokens {
        let body = self.ok();
        assert_eq!(body["tokenType"], "Bearer");
        assert!(body["expiresIn"].as_i64().is_some_and(|s| s > 0), "{body}");
        let text = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no {name} in {body}"))
                .to_owned()
        };
        Tokens {
            access: text("accessToken"),
            refresh: text("refreshToken"),
            session: text("sessionId"),
            device: body["deviceToken"].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.line, self.text))
    }
}
