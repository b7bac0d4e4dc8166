//! What is in the bytes of a `google.api.HttpBody`: the option `portico.policy.v1.raw_bodies`, read by field
//! numbers from the options' bytes, as the rules are.

use prost::Message;
use prost_reflect::MethodDescriptor;

use super::{
    json::Object,
    notes::Note,
    schema::{Schemas, Side, declared},
};

/// `portico.policy.v1.RawBodies`.
#[derive(Clone, PartialEq, Message)]
pub struct Bodies {
    #[prost(message, optional, tag = "1")]
    pub request: Option<Body>,
    #[prost(message, optional, tag = "2")]
    pub reply: Option<Body>,
    #[prost(message, optional, tag = "3")]
    pub error: Option<Body>,
}

/// `portico.policy.v1.RawBody`.
#[derive(Clone, PartialEq, Message)]
pub struct Body {
    #[prost(string, tag = "1")]
    pub media_type: String,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(message, optional, tag = "50052")]
    raw: Option<Bodies>,
}

impl Bodies {
    /// What is said beside an RPC; nothing where it is not said, or cannot be read.
    pub fn of(note: &Note) -> Self {
        let options = Options::decode(note.options.clone()).unwrap_or_default();
        options.raw.unwrap_or_default()
    }
}

impl Body {
    /// The schema of its content; empty where that may be anything. `asked` says that a caller sends it.
    /// Members that are not listed are always let through.
    pub fn schema(
        &self,
        schemas: &mut Schemas<'_>,
        method: &MethodDescriptor,
        asked: bool,
    ) -> Object {
        let pool = method.parent_pool();
        let Some(message) = pool.get_message_by_name(&self.message) else {
            return Object::default();
        };
        if !asked {
            return schemas.message(&message, Side::Answer);
        }
        let mut schema = schemas.object(&message, Side::Answer, &[]);
        let fields = declared(&message).into_iter();
        let required: Vec<String> = fields
            .filter(|field| schemas.read(field).options.required())
            .map(|field| field.json_name().to_owned())
            .collect();
        if !required.is_empty() {
            schema.put("required", required);
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::openapi::testing;

    fn operation(path: &str, verb: &str) -> Value {
        let document = testing::document(&[portico_proto::auth::DESCRIPTOR_SET]);
        document["paths"][path][verb].clone()
    }

    #[test]
    fn a_form_is_described_by_its_message() {
        let token = operation("/oauth2/token", "post");
        let content = &token["requestBody"]["content"];
        let form = &content["application/x-www-form-urlencoded"]["schema"];
        assert_eq!(form["required"], json!(["grant_type"]));
        assert_eq!(
            form["properties"]["grant_type"]["enum"],
            json!(["client_credentials", "refresh_token"])
        );
        assert_eq!(form["properties"]["resource"]["type"], "array");
        // A form may hold more (RFC 6749, section 3.2).
        assert!(form.get("additionalProperties").is_none());
        let reply = &token["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(
            reply["$ref"],
            "#/components/schemas/portico.auth.v1.TokenAnswer"
        );
    }

    #[test]
    fn a_protocol_of_its_own_has_its_own_refusals_beside_the_problems() {
        let token = operation("/oauth2/token", "post");
        for status in ["400", "401", "429"] {
            let content = &token["responses"][status]["content"];
            assert!(
                content.get("application/problem+json").is_some(),
                "{status}"
            );
            assert_eq!(
                content["application/json"]["schema"]["$ref"],
                "#/components/schemas/portico.auth.v1.OAuthError"
            );
        }
        let said = token["responses"]["401"]["description"].as_str().unwrap();
        assert!(said.contains("`invalid_client`"), "{said}");
        assert!(token["responses"]["500"].get("$ref").is_some());
        // What answers nothing says so.
        let revoke = operation("/oauth2/revoke", "post");
        assert!(revoke["responses"]["200"].get("content").is_none());
    }
}
