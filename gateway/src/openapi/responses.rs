//! Answers that are no replies: problems, where each of them can occur.

use std::collections::BTreeMap;

use super::{json::Object, schema::PLACE};

/// A problem that an operation may answer.
struct Kind {
    status: u16,
    name: &'static str,
    words: &'static str,
    headers: &'static [&'static str],
}

const KINDS: [Kind; 15] = [
    kind(
        400,
        "BadRequest",
        "The request is malformed, or a field breaks its rule; `errors` names it.",
        &[],
    ),
    kind(
        401,
        "Unauthorized",
        "A token is missing, or what came is no good.",
        &["WWW-Authenticate"],
    ),
    kind(
        403,
        "Forbidden",
        "The token does not allow this.",
        &["WWW-Authenticate"],
    ),
    kind(404, "NotFound", "There is nothing of that name.", &[]),
    kind(
        408,
        "RequestTimeout",
        "The body did not arrive in time.",
        &[],
    ),
    kind(
        409,
        "Conflict",
        "The state of things does not allow this.",
        &[],
    ),
    kind(
        412,
        "PreconditionFailed",
        "`If-Match` does not hold: somebody else changed it first.",
        &[],
    ),
    kind(413, "BodyTooLarge", "The body is too long.", &[]),
    kind(414, "UriTooLong", "The request target is too long.", &[]),
    kind(
        415,
        "UnsupportedMediaType",
        "The body is of a media type that is not taken here.",
        &[],
    ),
    kind(
        422,
        "UnprocessableContent",
        "The `Idempotency-Key` was used with another request.",
        &[],
    ),
    kind(
        429,
        "TooManyRequests",
        "Too many requests came; `Retry-After` says when to come back.",
        &["Retry-After"],
    ),
    kind(
        500,
        "InternalError",
        "Something went wrong on our side.",
        &[],
    ),
    kind(
        503,
        "Unavailable",
        "The service cannot be reached; `Retry-After` says when to try again.",
        &["Retry-After"],
    ),
    kind(
        504,
        "DeadlineExceeded",
        "The service did not answer in time.",
        &[],
    ),
];

const fn kind(
    status: u16,
    name: &'static str,
    words: &'static str,
    headers: &'static [&'static str],
) -> Kind {
    Kind {
        status,
        name,
        words,
        headers,
    }
}

/// What of an operation decides which problems it may answer.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all are named where they are set"
)]
pub struct Traits {
    /// Whether it needs a token.
    pub guarded: bool,
    /// Whether the path names something.
    pub names: bool,
    /// Whether a query is taken.
    pub query: bool,
    /// Whether a body is taken.
    pub body: bool,
    /// Whether it changes something, and a repetition changes it again.
    pub changes: bool,
    /// Whether `If-Match` is taken.
    pub if_match: bool,
    /// Whether `Idempotency-Key` is taken.
    pub idempotency_key: bool,
}

impl Traits {
    fn may_answer(self, status: u16) -> bool {
        match status {
            // Every operation is of some class of rate limit.
            400 | 429 | 500 | 503 | 504 => true,
            401 | 403 => self.guarded,
            404 => self.names,
            408 | 413 | 415 => self.body,
            414 => self.query,
            409 => self.guarded && (self.changes || self.if_match),
            412 => self.if_match,
            422 => self.idempotency_key,
            _ => false,
        }
    }
}

/// Adds the problems that an operation may answer to its responses. `comment` is the RPC's, which may
/// name failures as `EMAIL_TAKEN` with the gRPC code in parentheses behind it.
pub fn add(responses: &mut Object, traits: Traits, comment: &str) {
    let said = failures(comment);
    for it in &KINDS {
        let codes = said.get(&it.status);
        if codes.is_none() && !traits.may_answer(it.status) {
            continue;
        }
        let mut response = Object::reference(format!("#/components/responses/{}", it.name));
        if let Some(codes) = codes {
            let codes: Vec<String> = codes.iter().map(|it| format!("`{it}`")).collect();
            response.put(
                "description",
                format!("{} ({})", it.words, codes.join(", ")),
            );
        }
        responses.put(it.status.to_string(), response);
    }
}

/// The failures that a comment names, by HTTP status.
fn failures(comment: &str) -> BTreeMap<u16, Vec<String>> {
    let mut found: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let parts: Vec<&str> = comment.split('`').collect();
    // Of "`A`, `B` or `C` (CODE)", those whose code is still to come.
    let mut names = Vec::new();
    for pair in parts.windows(2).skip(1).step_by(2) {
        let [name, after] = pair else { continue };
        names.push(*name);
        if matches!(after.trim(), "," | "or" | "and" | ", or" | ", and") {
            continue;
        }
        let names = std::mem::take(&mut names);
        let code = after
            .trim_start()
            .strip_prefix('(')
            .and_then(|it| it.split_once(')'));
        let Some(status) = code.and_then(|(code, _)| status(code)) else {
            continue;
        };
        for name in names {
            let status = match name {
                "IDEMPOTENCY_KEY_REUSED" => 422,
                _ => status,
            };
            found.entry(status).or_default().push(name.to_owned());
        }
    }
    found
}

/// The HTTP status of a gRPC code, as the edge answers it.
fn status(code: &str) -> Option<u16> {
    Some(match code {
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ALREADY_EXISTS" | "ABORTED" | "FAILED_PRECONDITION" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}

/// Lets the refusals of an operation be of another media type too: those of a protocol that has its own.
pub fn beside(responses: &mut Object, media_type: &str, schema: &Object) {
    for it in KINDS.iter().filter(|it| it.status < 500) {
        let Some(response) = responses.get_mut(&it.status.to_string()) else {
            continue;
        };
        let mut whole = component(it);
        if let Some(said) = response.object_mut().remove("description") {
            whole.put("description", said);
        }
        let media = Object::default().with("schema", schema.clone());
        let content = whole.slot("content".to_owned()).object_mut();
        content.put(media_type, media);
        *response = whole.into();
    }
}

/// The problems, for the document's components.
pub fn shared() -> Object {
    let mut responses = Object::default();
    for it in &KINDS {
        responses.put(it.name, component(it));
    }
    responses
}

fn component(it: &Kind) -> Object {
    let media = Object::default().with("schema", Object::reference(format!("{PLACE}{PROBLEM}")));
    let mut headers = Object::default().with("X-Request-Id", reference("RequestId"));
    for name in it.headers {
        headers.put(*name, reference(&name.replace('-', "")));
    }
    Object::default()
        .with("description", it.words)
        .with("headers", headers)
        .with(
            "content",
            Object::default().with(crate::problem::MEDIA_TYPE, media),
        )
}

fn reference(header: &str) -> Object {
    Object::reference(format!("#/components/headers/{header}"))
}

/// A reference to a header of the document's components.
pub fn header(name: &str) -> Object {
    reference(name)
}

/// The headers of answers, for the document's components.
pub fn headers() -> Object {
    let header = |words: &str, schema: Object| {
        Object::default()
            .with("description", words)
            .with("schema", schema)
    };
    let text = || Object::of_type("string");
    let seconds = Object::of_type("integer").with("minimum", 0);
    Object::default()
        .with(
            "ETag",
            header(
                "Changes whenever the resource does. Goes into `If-Match`.",
                text(),
            ),
        )
        .with(
            "RequestId",
            header("The request's id, as the logs have it.", text()),
        )
        .with(
            "RetryAfter",
            header("In how many seconds to come back.", seconds),
        )
        .with(
            "WWWAuthenticate",
            header("What is asked for (RFC 6750).", text()),
        )
}

/// The name of the schema of problems.
pub const PROBLEM: &str = "Problem";

/// The schema of problems.
pub fn problem() -> Object {
    let text = |words: &str, example: &str| {
        Object::of_type("string")
            .with("description", words)
            .with("examples", [example])
    };
    let fault = Object::of_type("object")
        .with(
            "properties",
            Object::default()
                .with("field", text("Where it was written.", "pageSize"))
                .with(
                    "description",
                    text("What is wrong with the value.", "must be at most 1000"),
                ),
        )
        .with("required", ["field", "description"]);
    let status = Object::of_type("integer")
        .with("description", "The HTTP status.")
        .with("minimum", 400)
        .with("maximum", 599)
        .with("examples", [400]);
    let properties = Object::default()
        .with(
            "type",
            text("The kind of problem, as a URI.", "about:blank"),
        )
        .with("title", text("The status in words.", "Bad Request"))
        .with("status", status)
        .with(
            "detail",
            text(
                "What went wrong, for people.",
                "pageSize: must be at most 1000",
            ),
        )
        .with(
            "code",
            text(
                "What went wrong, for programs. It is stable.",
                "INVALID_ARGUMENT",
            ),
        )
        .with(
            "errors",
            Object::of_type("array")
                .with("description", "The fields at fault.")
                .with("items", fault),
        )
        .with(
            "line",
            Object::of_type("integer")
                .with(
                    "description",
                    "The line of the body at fault, where the body is lines.",
                )
                .with("minimum", 1)
                .with("examples", [3]),
        )
        .with(
            "requestId",
            text(
                "The request's id, as the logs have it.",
                "018f2c6a-7c1e-7b52-9a64-3d1f0c5e8a90",
            ),
        );
    Object::of_type("object")
        .with("title", "Problem")
        .with("description", "Why a request was not served (RFC 9457).")
        .with("properties", properties)
        .with(
            "required",
            ["type", "title", "status", "detail", "code", "requestId"],
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(traits: Traits, comment: &str) -> Vec<String> {
        let mut responses = Object::default();
        add(&mut responses, traits, comment);
        responses.iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn only_what_can_occur_is_listed() {
        assert_eq!(
            statuses(Traits::default(), ""),
            ["400", "429", "500", "503", "504"]
        );
        let traits = Traits {
            guarded: true,
            names: true,
            ..Traits::default()
        };
        assert_eq!(
            statuses(traits, ""),
            ["400", "401", "403", "404", "429", "500", "503", "504"]
        );
    }

    #[test]
    fn what_the_comment_names_is_listed_with_its_code() {
        let comment = "Signs in. Fails with `INVALID_CREDENTIALS` (UNAUTHENTICATED), or\nwith `A_B`\n(ABORTED). See `x`.";
        let mut responses = Object::default();
        add(&mut responses, Traits::default(), comment);
        let said = |status: &str| {
            let response = serde_json::to_value(responses.get(status)?).ok()?;
            Some(response["description"].as_str()?.to_owned())
        };
        assert!(said("401").unwrap().ends_with("(`INVALID_CREDENTIALS`)"));
        assert!(said("409").unwrap().ends_with("(`A_B`)"));
    }
}
