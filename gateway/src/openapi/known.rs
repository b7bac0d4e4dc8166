//! The messages that ProtoJSON writes in a form of their own.

use prost_reflect::MessageDescriptor;

use super::json::{Json, Object};

/// A message with a form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    Any,
    Empty,
    HttpBody,
    /// Written as the value of its only field, or as null.
    Wrapper,
}

impl Known {
    /// The form of a message, when it has one.
    pub fn of(message: &MessageDescriptor) -> Option<Self> {
        let full_name = message.full_name();
        if full_name == "google.api.HttpBody" {
            return Some(Self::HttpBody);
        }
        Some(match full_name.strip_prefix("google.protobuf.")? {
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            "Any" => Self::Any,
            "Empty" => Self::Empty,
            "BoolValue" | "BytesValue" | "DoubleValue" | "FloatValue" | "Int32Value"
            | "Int64Value" | "StringValue" | "UInt32Value" | "UInt64Value" => Self::Wrapper,
            _ => return None,
        })
    }

    /// Whether a single text can set it: in a path or a query.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Timestamp | Self::Duration | Self::FieldMask | Self::Wrapper
        )
    }

    /// The schema. A wrapper's is the one of what it holds, and `None` here.
    pub fn schema(self) -> Option<Object> {
        let text = || Object::of_type("string");
        Some(match self {
            Self::Timestamp => text()
                .with("format", "date-time")
                .with("examples", ["2026-01-31T12:00:00Z"]),
            Self::Duration => text()
                .with("pattern", r"^-?(0|[1-9][0-9]{0,10})(\.[0-9]{1,9})?s$")
                .with("examples", ["1.5s"]),
            Self::FieldMask => text().with(
                "pattern",
                r"^([a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*(,[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*)*)?$",
            ),
            Self::Struct => Object::of_type("object"),
            Self::Value => Object::default(),
            Self::ListValue => Object::of_type("array").with("items", Object::default()),
            Self::Any => Object::of_type("object")
                .with("required", ["@type"])
                .with(
                    "properties",
                    Object::default().with(
                        "@type",
                        text()
                            .with("description", "The URL of the message's type.")
                            .with("examples", ["type.googleapis.com/google.protobuf.Duration"]),
                    ),
                )
                .with("additionalProperties", true),
            Self::Empty => Object::of_type("object").with("maxProperties", 0),
            Self::HttpBody => Object::of_type("object").with(
                "properties",
                Object::default()
                    .with("contentType", text())
                    .with("data", bytes())
                    .with(
                        "extensions",
                        Object::of_type("array").with("items", Object::of_type("object")),
                    ),
            ),
            Self::Wrapper => return None,
        })
    }
}

/// Bytes as ProtoJSON writes them.
pub fn bytes() -> Object {
    Object::of_type("string")
        .with("format", "byte")
        .with("contentEncoding", "base64")
}

/// Lets a schema take null too, if it does not.
pub fn or_null(mut schema: Object) -> Object {
    let null = || Json::from(Object::of_type("null"));
    let takes_null = match (schema.get("anyOf"), schema.get("type")) {
        (Some(Json::List(either)), _) => either.contains(&null()),
        (_, Some(Json::List(names))) => names.contains(&"null".into()),
        (_, Some(name)) => name.as_str() == Some("null"),
        _ => false,
    };
    if takes_null {
        return schema;
    }
    if let Some(Json::List(either)) = schema.remove("anyOf") {
        let either: Vec<Json> = either.into_iter().chain([null()]).collect();
        return schema.with("anyOf", either);
    }
    let plain = schema.get("enum").is_none() && schema.get("const").is_none();
    match schema.get("type").cloned() {
        Some(Json::Text(name)) if plain => schema.put("type", [name.as_str(), "null"]),
        Some(Json::List(mut names)) if plain => {
            names.push("null".into());
            schema.put("type", names);
        }
        None if schema.is_empty() => {}
        _ => return Object::default().with("anyOf", [Json::from(schema), null()]),
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(schema: &Object) -> String {
        serde_json::to_string(schema).unwrap()
    }

    #[test]
    fn null_joins_every_shape_of_schema() {
        assert_eq!(
            text(&or_null(Object::of_type("string"))),
            r#"{"type":["string","null"]}"#
        );
        assert_eq!(
            text(&or_null(Object::reference("#/a"))),
            r##"{"anyOf":[{"$ref":"#/a"},{"type":"null"}]}"##
        );
        assert_eq!(
            text(&or_null(Object::of_type("string").with("enum", ["A"]))),
            r#"{"anyOf":[{"type":"string","enum":["A"]},{"type":"null"}]}"#
        );
        assert_eq!(text(&or_null(Object::default())), "{}");
        let both = Object::default().with("type", ["string", "integer"]);
        assert_eq!(
            text(&or_null(both)),
            r#"{"type":["string","integer","null"]}"#
        );
        for schema in [
            Object::of_type("string"),
            Object::of_type("null"),
            Object::reference("#/a"),
        ] {
            let once = or_null(schema);
            assert_eq!(or_null(once.clone()), once);
        }
    }
}
