//! One HTTP rule of one RPC as an operation.

use portico_caller::Access;
use portico_transcode::{Binding, Plans};
use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};

use super::{
    json::{Json, Object},
    known::Known,
    notes::summary,
    parameters,
    path::Path,
    raw::Bodies,
    responses::{self, Traits},
    rules,
    schema::{Schemas, Side},
    security,
};
use crate::contract::Route;

const JSON: &str = "application/json";

/// What an operation is made of.
pub struct Source<'s> {
    pub route: &'s Route,
    pub method: &'s MethodDescriptor,
    pub path: &'s Path,
    /// The names of the path's variables.
    pub names: &'s [String],
    /// The name of the service's tag.
    pub tag: &'s str,
    /// Unique in the document.
    pub id: String,
}

/// The operation, whose schemas are asked for on the way.
pub fn operation(schemas: &mut Schemas<'_>, source: &Source<'_>) -> Object {
    let Source {
        route,
        method,
        path,
        names,
        ..
    } = *source;
    let (plans, binding) = (&*route.plans, &route.binding);
    let request = method.input();
    let note = schemas.notes.on(method.full_name());
    let raw = Bodies::of(note);
    let (headline, rest) = summary(&note.comment);

    let mut operation = Object::default()
        .with("tags", [source.tag])
        .with("operationId", source.id.as_str());
    if !headline.is_empty() {
        operation.put("summary", headline);
    }
    let words = words(source, &rest);
    operation.put("description", words);
    if rules::is_deprecated_call(note) {
        operation.put("deprecated", true);
    }
    let mut parameters = parameters::path(schemas, &request, path, names);
    let query = parameters::query(schemas, method, binding, plans);
    let takes_query = !query.is_empty();
    parameters.extend(query);
    parameters.extend(parameters::headers(schemas, &request, binding, plans));
    if !parameters.is_empty() {
        operation.put("parameters", parameters);
    }
    if binding.takes_body() {
        let body = match &raw.request {
            Some(content) if binding.takes_http_body() => {
                Object::default().with("required", true).with(
                    "content",
                    media(&content.media_type, content.schema(schemas, method, true)),
                )
            }
            _ => body(schemas, &request, binding, plans),
        };
        operation.put("requestBody", body);
    }

    let mut answers = Object::default().with("200", reply(schemas, method, binding, &raw));
    let traits = Traits {
        guarded: route.policy.access != Access::Public,
        names: !names.is_empty(),
        query: takes_query,
        body: binding.takes_body(),
        changes: !matches!(binding.http_method.as_str(), "GET" | "HEAD")
            && !route.policy.idempotent,
        if_match: parameters::takes_if_match(binding, plans),
        idempotency_key: parameters::takes_idempotency_key(binding, plans),
    };
    responses::add(&mut answers, traits, &note.comment);
    if let Some(error) = raw.error.filter(|_| binding.gives_http_body()) {
        let schema = error.schema(schemas, method, false);
        responses::beside(&mut answers, &error.media_type, &schema);
    }
    operation.put("responses", answers);
    security::add(&mut operation, &route.policy);
    operation.with("x-grpc-method", route.rpc.as_str())
}

/// What is said about the operation: the comment, and who may call.
fn words(source: &Source<'_>, comment: &str) -> String {
    let binding = &source.route.binding;
    let policy = &source.route.policy;
    let own = policy.self_field.as_deref().map(|it| self_name(source, it));
    let mut words = vec![comment.to_owned(), security::words(policy, own.as_deref())];
    if binding.server_streaming && !binding.gives_http_body() {
        words.push(
            "The answer is a stream: one JSON document on each line, or Server-Sent Events when `Accept` asks for \
             `text/event-stream`. A failure on the way is its last document."
                .to_owned(),
        );
    }
    if binding.client_streaming && !binding.takes_http_body() {
        words.push("The body is a stream: one JSON document on each line.".to_owned());
    }
    words.retain(|it| !it.is_empty());
    words.join("\n\n")
}

/// A field of the request as the caller knows it.
fn self_name(source: &Source<'_>, field: &str) -> String {
    let variables = source.path.variables().zip(source.names);
    let captured = variables
        .filter(|(variable, _)| variable.field.as_deref() == Some(field))
        .map(|(_, name)| name.clone())
        .next();
    captured.unwrap_or_else(|| super::notes::camel(field))
}

fn body(
    schemas: &mut Schemas<'_>,
    request: &MessageDescriptor,
    binding: &Binding,
    plans: &Plans,
) -> Object {
    if binding.takes_http_body() {
        return Object::default()
            .with("description", "Any content.")
            .with("content", media("*/*", Object::default()));
    }
    let (mut schema, required) = match binding.body_field(plans) {
        None => whole(schemas, request, binding),
        Some(name) => (part(schemas, request, binding, name), true),
    };
    if binding.client_streaming {
        // No line at all is a stream too.
        return Object::default()
            .with("description", "One JSON document on each line.")
            .with("content", media("application/x-ndjson", schema));
    }
    let mut body = Object::default();
    if schema.get("$ref").is_some()
        && let Some(said) = schema.remove("description")
    {
        body.put("description", said);
    }
    if required {
        body.put("required", true);
    }
    body.with("content", media(JSON, schema))
}

/// The request as the body, without what the path gives; and whether there must be one.
fn whole(
    schemas: &mut Schemas<'_>,
    request: &MessageDescriptor,
    binding: &Binding,
) -> (Object, bool) {
    let captured: Vec<&str> = binding.template.variables().collect();
    let object = schemas.object(request, Side::Request, &captured);
    let required = object.get("required").is_some();
    if captured.is_empty() {
        return (schemas.message(request, Side::Request), required);
    }
    (object, required)
}

/// One field of the request as the body.
fn part(
    schemas: &mut Schemas<'_>,
    request: &MessageDescriptor,
    binding: &Binding,
    name: &str,
) -> Object {
    let Some(field) = request.get_field_by_name(name) else {
        return Object::default();
    };
    let read = schemas.read(&field);
    let Kind::Message(resource) = field.kind() else {
        return schemas.value(&read, Side::Request);
    };
    let single = !field.is_list() && !field.is_map() && Known::of(&resource).is_none();
    let masked = request
        .get_field_by_name("update_mask")
        .is_some_and(|it| matches!(it.kind(), Kind::Message(mask) if mask.full_name() == "google.protobuf.FieldMask"));
    let mut schema = match single {
        true if masked && binding.http_method == "PATCH" => {
            schemas.message(&resource, Side::Change)
        }
        true => {
            let prefix = format!("{name}.");
            let captured: Vec<&str> = binding
                .template
                .variables()
                .filter_map(|it| it.strip_prefix(&prefix))
                .collect();
            if captured.is_empty() {
                schemas.message(&resource, Side::Request)
            } else {
                schemas.object(&resource, Side::Request, &captured)
            }
        }
        false => schemas.value(&read, Side::Request),
    };
    if schema.get("description").is_none() {
        read.describe(&mut schema);
    }
    schema
}

fn reply(
    schemas: &mut Schemas<'_>,
    method: &MethodDescriptor,
    binding: &Binding,
    raw: &Bodies,
) -> Object {
    let output = method.output();
    let comment = &schemas.notes.on(output.full_name()).comment;
    let (said, _) = summary(comment);
    let said = match said.as_str() {
        "" => "What the call answers.".to_owned(),
        said => format!("{said}."),
    };
    let mut headers = Object::default().with("X-Request-Id", responses::header("RequestId"));
    let etag = output.get_field_by_name("etag");
    let tagged = etag.is_some_and(|it| it.kind() == Kind::String && !it.is_list());
    if tagged && binding.response_body.is_none() && !binding.server_streaming {
        headers.put("ETag", responses::header("ETag"));
    }
    let content = if binding.gives_http_body() {
        match &raw.reply {
            None => media("*/*", Object::default()),
            Some(none) if none.media_type.is_empty() => Object::default(),
            Some(content) => media(&content.media_type, content.schema(schemas, method, false)),
        }
    } else {
        let schema = answer(schemas, &output, binding);
        if binding.server_streaming {
            let mut content = media("application/x-ndjson", schema.clone());
            content.put(
                "text/event-stream",
                Object::default().with("schema", schema),
            );
            content
        } else {
            media(JSON, schema)
        }
    };
    let reply = Object::default()
        .with("description", said)
        .with("headers", headers);
    if content.is_empty() {
        reply
    } else {
        reply.with("content", content)
    }
}

fn answer(schemas: &mut Schemas<'_>, output: &MessageDescriptor, binding: &Binding) -> Object {
    let field = binding
        .response_body
        .as_deref()
        .and_then(|it| output.get_field_by_name(it));
    match field {
        None => schemas.message(output, Side::Answer),
        Some(field) => {
            let read = schemas.read(&field);
            let schema = schemas.property(&read, Side::Answer);
            // A field that is not there is null.
            if field.supports_presence() {
                super::known::or_null(schema)
            } else {
                schema
            }
        }
    }
}

fn media(name: &str, schema: Object) -> Object {
    let mut media = Object::default();
    if !schema.is_empty() {
        media.put("schema", schema);
    }
    Object::default().with(name, Json::Object(media))
}
