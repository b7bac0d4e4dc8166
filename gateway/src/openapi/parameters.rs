//! What a request says outside of its body.

use portico_transcode::{Binding, Plans};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::{
    json::{Json, Object},
    known::Known,
    path::{Path, Variable},
    rules::Typed,
    schema::{Field, Schemas, Side, declared},
};

/// How deep query parameters reach into messages.
const DEEPEST: usize = 6;

/// A parameter of the path for each variable.
pub fn path(
    schemas: &mut Schemas<'_>,
    request: &MessageDescriptor,
    path: &Path,
    names: &[String],
) -> Vec<Object> {
    let variables = path.variables().zip(names);
    variables
        .map(|(variable, name)| one(schemas, request, variable, name))
        .collect()
}

fn one(
    schemas: &mut Schemas<'_>,
    request: &MessageDescriptor,
    variable: &Variable,
    name: &str,
) -> Object {
    let parameter = Object::default().with("name", name).with("in", "path");
    let field = variable.field.as_ref().and_then(|it| resolve(request, it));
    let mut schema = match (&field, &variable.part_of) {
        (Some(field), None) => {
            let read = schemas.read(field);
            let mut schema = single(schemas, &read);
            read.describe(&mut schema);
            schema
        }
        _ => Object::of_type("string"),
    };
    let mut words = Vec::new();
    if let Some(Json::Text(said)) = schema.remove("description") {
        words.push(said);
    }
    if let (Some(pattern), Some(field)) = (&variable.part_of, &field) {
        let field = field.json_name();
        words.push(format!("A part of `{field}`, which is `{pattern}`."));
    }
    if variable.multi {
        words.push("May hold several segments.".to_owned());
    }
    if schema.get("type").and_then(Json::as_str) == Some("string")
        && schema.get("minLength").is_none()
        && schema.get("format").is_none()
        && schema.get("pattern").is_none()
        && !variable.multi
    {
        schema.put("minLength", 1);
    }
    described(parameter, &words.join("\n\n"))
        .with("required", true)
        .with("schema", schema)
}

/// The value of one field in a text of its own, where it is never null nor empty.
fn single(schemas: &mut Schemas<'_>, field: &Field<'_>) -> Object {
    let mut value = schemas.value(field, Side::Request);
    // A number needs no second form, and an empty string is no segment.
    if let Some(Json::List(either)) = value.get("anyOf").cloned() {
        let first = either.into_iter().next();
        if let Some(Json::Object(first)) = first {
            let examples = value.remove("examples");
            value = first;
            if let Some(examples) = examples {
                value.put("examples", examples);
            }
        }
    }
    if let Some(Json::List(types)) = value.get("type").cloned()
        && let Some(first) = types.into_iter().next()
    {
        value.put("type", first);
    }
    value
}

/// A parameter of the query for each field that neither path nor body binds.
pub fn query(
    schemas: &mut Schemas<'_>,
    method: &MethodDescriptor,
    binding: &Binding,
    plans: &Plans,
) -> Vec<Object> {
    let request = &method.input();
    let body = binding.body_field(plans);
    if binding.takes_body() && body.is_none() {
        return Vec::new();
    }
    // Its header stands for it.
    let key = takes_idempotency_key(binding, plans).then_some("request_id");
    let elsewhere = binding.template.variables().chain(body).chain(key);
    let taken: Vec<&str> = elsewhere.collect();
    let mut walk = Walk {
        taken: &taken,
        update: update_pattern(schemas, request, body),
        read: read_pattern(&method.output()),
        above: vec![request.full_name().to_owned()],
        out: Vec::new(),
    };
    walk.message(schemas, request, "", "", true);
    walk.out
}

struct Walk<'w> {
    /// Fields that other parts of the request bind, by their paths.
    taken: &'w [&'w str],
    /// What an update mask may name.
    update: Option<String>,
    /// What a read mask may name.
    read: Option<String>,
    /// The messages on the way, lest one within itself be followed for ever.
    above: Vec<String>,
    out: Vec<Object>,
}

impl Walk<'_> {
    fn message(
        &mut self,
        schemas: &mut Schemas<'_>,
        message: &MessageDescriptor,
        original: &str,
        json: &str,
        required: bool,
    ) {
        for field in declared(message) {
            let path = join(original, field.name());
            if self.taken.contains(&path.as_str()) || field.is_map() {
                continue;
            }
            let name = join(json, field.json_name());
            let read = schemas.read(&field);
            if read.options.output_only() {
                continue;
            }
            let required = required && read.is_required();
            match field.kind() {
                Kind::Message(inner) if !Known::of(&inner).is_some_and(Known::is_text) => {
                    let cut = field.is_list()
                        || Known::of(&inner).is_some()
                        || self.above.len() >= DEEPEST
                        || self.above.iter().any(|it| it == inner.full_name());
                    if cut {
                        continue;
                    }
                    self.above.push(inner.full_name().to_owned());
                    self.message(schemas, &inner, &path, &name, required);
                    self.above.pop();
                }
                _ => self.parameter(schemas, &read, &name, required),
            }
        }
    }

    fn parameter(
        &mut self,
        schemas: &mut Schemas<'_>,
        field: &Field<'_>,
        name: &str,
        required: bool,
    ) {
        let mut schema = if field.descriptor.is_list() || spares_empty(field) {
            schemas.value(field, Side::Request)
        } else {
            single(schemas, field)
        };
        let pattern = match field.descriptor.name() {
            "update_mask" => self.update.take(),
            "read_mask" => self.read.take(),
            _ => None,
        };
        if let Some(pattern) = pattern {
            schema.put("pattern", pattern);
        }
        field.describe(&mut schema);
        let said = schema.remove("description");
        let said = said.as_ref().and_then(Json::as_str).unwrap_or_default();
        let mut parameter = described(
            Object::default().with("name", name).with("in", "query"),
            said,
        );
        if required {
            parameter.put("required", true);
        }
        if let Some(deprecated) = schema.remove("deprecated") {
            parameter.put("deprecated", deprecated);
        }
        if field.descriptor.is_list() {
            parameter.put("style", "form");
            parameter.put("explode", true);
        }
        self.out.push(parameter.with("schema", schema));
    }
}

/// Whether the rules let the empty string through beside others.
fn spares_empty(field: &Field<'_>) -> bool {
    let rules = field.options.active();
    rules.is_some_and(|it| it.spares_zero() && matches!(it.typed, Some(Typed::Text(_))))
}

/// What an update mask may name: the fields of the resource in the body that an update may change.
fn update_pattern(
    schemas: &Schemas<'_>,
    request: &MessageDescriptor,
    body: Option<&str>,
) -> Option<String> {
    let Kind::Message(resource) = request.get_field_by_name(body?)?.kind() else {
        return None;
    };
    let fields = declared(&resource).into_iter();
    let names: Vec<String> = fields
        .filter(|it| it.name() != "etag" && schemas.read(it).options.is_mutable())
        .map(|it| match it.kind() {
            Kind::Message(_) => format!(r"{}(\.[a-z][A-Za-z0-9]*)*", it.json_name()),
            _ => it.json_name().to_owned(),
        })
        .collect();
    let one = names.join("|");
    // An empty mask is none.
    (!names.is_empty()).then(|| format!("^(({one})(,({one}))*)?$"))
}

/// What a read mask may name: the fields of the resource that is answered, which a reply that is named after
/// its method holds, one or many.
fn read_pattern(reply: &MessageDescriptor) -> Option<String> {
    let held = |field: FieldDescriptor| match field.kind() {
        Kind::Message(held) if !field.is_map() && Known::of(&held).is_none() => Some(held),
        _ => None,
    };
    let resource = if reply.name().ends_with("Response") {
        declared(reply).into_iter().find_map(held)?
    } else {
        reply.clone()
    };
    let names: Vec<String> = declared(&resource)
        .into_iter()
        .map(|it| match it.kind() {
            Kind::Message(inner) if Known::of(&inner).is_none() => {
                format!(r"{}(\.[a-z][A-Za-z0-9]*)*", it.json_name())
            }
            _ => it.json_name().to_owned(),
        })
        .collect();
    let one = names.join("|");
    (!names.is_empty()).then(|| format!("^(({one})(,({one}))*)?$"))
}

/// Headers that stand for fields of the request.
pub fn headers(
    schemas: &mut Schemas<'_>,
    request: &MessageDescriptor,
    binding: &Binding,
    plans: &Plans,
) -> Vec<Object> {
    let mut headers = Vec::new();
    if takes_if_match(binding, plans) {
        headers.push(Object::reference("#/components/parameters/IfMatch"));
    }
    if takes_idempotency_key(binding, plans) {
        headers.push(Object::reference("#/components/parameters/IdempotencyKey"));
    }
    if let Some(after) = resumes(request).filter(|_| binding.server_streaming) {
        let read = schemas.read(&after);
        let schema = if spares_empty(&read) {
            schemas.value(&read, Side::Request)
        } else {
            single(schemas, &read)
        };
        let words = "The `id` of the last event that came: the stream goes on behind it. It goes over `after`.";
        headers.push(header("Last-Event-ID", words, schema));
    }
    headers
}

fn header(name: &str, words: &str, schema: Object) -> Object {
    let parameter = Object::default().with("name", name).with("in", "header");
    described(parameter, words).with("schema", schema)
}

/// The field that says behind which event a stream is taken up, if there is one: the request's `after`.
fn resumes(request: &MessageDescriptor) -> Option<FieldDescriptor> {
    request.get_field_by_name("after").filter(|field| {
        let single = !field.is_list() && !field.is_map();
        single
            && !matches!(
                field.kind(),
                Kind::Message(_)
                    | Kind::Enum(_)
                    | Kind::Bool
                    | Kind::Bytes
                    | Kind::Double
                    | Kind::Float
            )
    })
}

/// Whether the request has an etag that `If-Match` can fill. Reads take no precondition.
pub fn takes_if_match(binding: &Binding, plans: &Plans) -> bool {
    let safe = matches!(
        binding.http_method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "TRACE"
    );
    !safe && binding.append_etag(plans, "", &mut Vec::new())
}

/// Whether the request has an id that `Idempotency-Key` can fill.
pub fn takes_idempotency_key(binding: &Binding, plans: &Plans) -> bool {
    binding.append_request_id(plans, "", &mut Vec::new())
}

/// The headers' parameters, for the document's components.
pub fn shared() -> Object {
    let pattern = |it: &str| Object::default().with("pattern", it);
    let tag = Object::of_type("string").with(
        "anyOf",
        [
            Object::default().with("const", "*"),
            pattern(r#"^"[!#-~]{0,64}"$"#),
        ],
    );
    Object::default()
        .with(
            "IfMatch",
            header(
                "If-Match",
                "The `ETag` of the last answer: the change is refused with 412 when somebody else was faster.",
                tag,
            ),
        )
        .with(
            "IdempotencyKey",
            header(
                "Idempotency-Key",
                "A key of the caller's choice. Repeated with the same request it answers what the first one answered; \
                 with another request it is refused with 422.",
                Object::of_type("string").with("pattern", "^[!#-~]{1,128}$"),
            ),
        )
}

/// The field that a path of original or JSON names leads to.
pub fn resolve(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let field = message.get_field_by_name(name);
    let field = field.or_else(|| message.get_field_by_json_name(name))?;
    match (rest, field.kind()) {
        (None, _) => Some(field),
        (Some(rest), Kind::Message(inner)) => resolve(&inner, rest),
        (Some(_), _) => None,
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn described(mut object: Object, words: &str) -> Object {
    if !words.is_empty() {
        object.put("description", words);
    }
    object
}
