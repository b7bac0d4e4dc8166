//! From the option `google.api.http` to bindings.

use prost::Message as _;
use prost_reflect::MethodDescriptor;

use super::{Binding, Body, is_field_mask, is_http_body};
use crate::{
    plan::{Kind, Label, MessageId, Plans, Shape},
    target::{Miss, Target},
    template::{Template, TemplateError},
};

/// An HTTP rule that does not fit its RPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the HTTP rule of {method} {fault}")]
pub struct BindingError {
    /// The RPC's full name.
    pub method: String,
    /// What is wrong with the rule, as the end of a sentence.
    pub fault: String,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, prost::Message)]
struct HttpRule {
    #[prost(oneof = "Pattern", tags = "2, 3, 4, 5, 6, 8")]
    pattern: Option<Pattern>,
    #[prost(string, tag = "7")]
    body: String,
    #[prost(string, tag = "12")]
    response_body: String,
    #[prost(message, repeated, tag = "11")]
    additional_bindings: Vec<HttpRule>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Pattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomHttpPattern),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, prost::Message)]
struct CustomHttpPattern {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    path: String,
}

/// `google.protobuf.MethodOptions`, of which only `google.api.http` matters here.
#[derive(Clone, PartialEq, prost::Message)]
struct MethodOptions {
    #[prost(message, optional, tag = "72295728")]
    http: Option<HttpRule>,
}

impl Binding {
    /// All HTTP rules of an RPC, the additional ones last; none when it has no `google.api.http`. The
    /// plans must be of the method's pool.
    pub fn all(plans: &Plans, method: &MethodDescriptor) -> Result<Vec<Self>, BindingError> {
        read(plans, method).map_err(|fault| BindingError {
            method: method.full_name().to_owned(),
            fault,
        })
    }
}

fn read(plans: &Plans, method: &MethodDescriptor) -> Result<Vec<Binding>, String> {
    // Read from the bytes, so that it does not matter whether the pool knows the extension.
    let options = method.options().encode_to_vec();
    let options = MethodOptions::decode(&*options).map_err(|_| "is not well-formed".to_owned())?;
    let Some(mut rule) = options.http else {
        return Ok(Vec::new());
    };
    let more = std::mem::take(&mut rule.additional_bindings);
    let mut bindings = vec![bind(plans, method, &rule)?];
    for rule in more {
        if !rule.additional_bindings.is_empty() {
            return Err("has additional bindings inside of additional bindings".to_owned());
        }
        bindings.push(bind(plans, method, &rule)?);
    }
    Ok(bindings)
}

fn bind(plans: &Plans, method: &MethodDescriptor, rule: &HttpRule) -> Result<Binding, String> {
    let message = |name: &str| {
        plans
            .message(name)
            .ok_or_else(|| format!("needs the unknown message {name}"))
    };
    let request = message(method.input().full_name())?;
    let response = message(method.output().full_name())?;
    let (http_method, template) = pattern(rule)?;
    let template = Template::parse(template).map_err(|TemplateError { template, fault }| {
        format!("has the path template `{template}`, which {fault}")
    })?;
    let captures = captures(plans, request, &template)?;
    let body = body(plans, request, &rule.body)?;
    let response_index = match rule.response_body.as_str() {
        "" => None,
        name => Some(index(plans, response, name)?),
    };
    let string = |path: &str| {
        let target = Target::resolve(plans, request, path).ok()?;
        target.is_string().then_some(target)
    };
    let resource = match body {
        Body::Field(index) => Some(&plans.get(request).fields[index]),
        _ => None,
    };
    let whole_is = |id: MessageId| is_http_body(plans, Kind::Message(id));
    let held_is = |id: MessageId, index: usize| {
        let field = &plans.get(id).fields[index];
        field.label == Label::Singular && is_http_body(plans, field.kind)
    };
    let response_etag = plans
        .field(response, "etag")
        .filter(|field| field.kind == Kind::String && field.label == Label::Singular)
        .map(|field| field.number);
    Ok(Binding {
        update_mask: update_mask(plans, request, http_method, body),
        etag: string("etag").or_else(|| string(&format!("{}.etag", resource?.name))),
        request_id: string("request_id"),
        response_etag: response_etag.filter(|_| response_index.is_none()),
        takes_http_body: match body {
            Body::None => false,
            Body::Whole => whole_is(request),
            Body::Field(index) => held_is(request, index),
        },
        gives_http_body: match response_index {
            None => whole_is(response),
            Some(index) => held_is(response, index),
        },
        http_method: http_method.to_owned(),
        template,
        grpc_path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
        client_streaming: method.is_client_streaming(),
        server_streaming: method.is_server_streaming(),
        request,
        response,
        response_body: response_index.map(|_| rule.response_body.clone()),
        body,
        captures,
        aliases: Vec::new(),
        response_index,
    })
}

fn pattern(rule: &HttpRule) -> Result<(&str, &str), String> {
    Ok(match &rule.pattern {
        Some(Pattern::Get(path)) => ("GET", path),
        Some(Pattern::Put(path)) => ("PUT", path),
        Some(Pattern::Post(path)) => ("POST", path),
        Some(Pattern::Delete(path)) => ("DELETE", path),
        Some(Pattern::Patch(path)) => ("PATCH", path),
        Some(Pattern::Custom(custom)) if !custom.kind.is_empty() => (&custom.kind, &custom.path),
        Some(Pattern::Custom(_)) => return Err("has a custom pattern without a method".to_owned()),
        None => return Err("has no pattern".to_owned()),
    })
}

fn captures(plans: &Plans, request: MessageId, template: &Template) -> Result<Vec<Target>, String> {
    template
        .variables()
        .map(|path| match Target::resolve(plans, request, path) {
            Ok(target) if !target.repeated => Ok(target),
            Ok(_) | Err(Miss::NotText | Miss::Depth) => {
                Err(format!("captures `{path}`, which a path cannot set"))
            }
            Err(Miss::Unknown) => Err(format!("captures `{path}`, which is no field")),
        })
        .collect()
}

fn body(plans: &Plans, request: MessageId, name: &str) -> Result<Body, String> {
    Ok(match name {
        "" => Body::None,
        "*" => Body::Whole,
        name => Body::Field(index(plans, request, name)?),
    })
}

fn index(plans: &Plans, message: MessageId, name: &str) -> Result<usize, String> {
    plans
        .get(message)
        .index_of_name(name.as_bytes())
        .ok_or_else(|| format!("names `{name}`, which is no field"))
}

/// The mask of a standard Update method (AIP-134).
fn update_mask(plans: &Plans, request: MessageId, http_method: &str, body: Body) -> Option<Target> {
    let Body::Field(index) = body else {
        return None;
    };
    let resource = &plans.get(request).fields[index];
    let is_object = resource.label == Label::Singular
        && resource
            .kind
            .message()
            .is_some_and(|id| plans.get(id).shape == Shape::Object);
    let mask = Target::resolve(plans, request, "update_mask").ok()?;
    let fits = http_method == "PATCH" && is_object && !mask.repeated;
    (fits && is_field_mask(plans, mask.kind)).then_some(mask)
}
