use serde_json::{Value, json};

use super::*;
use crate::openapi::testing::{plain, pool};

fn schemas(side: Side) -> Value {
    let pool = pool();
    let notes = Notes::of(&pool);
    let mut schemas = Schemas::new(&notes);
    let thing = pool.get_message_by_name("reference.v1.Thing").unwrap();
    schemas.message(&thing, side);
    let all = schemas.finish().into_iter();
    Value::Object(all.map(|(name, it)| (name, plain(&it))).collect())
}

fn answer(field: &str) -> Value {
    schemas(Side::Answer)["reference.v1.Thing"]["properties"][field].clone()
}

fn request(field: &str) -> Value {
    schemas(Side::Request)["reference.v1.Thing-Input"]["properties"][field].clone()
}

#[test]
fn scalars_are_answered_as_protojson_writes_them() {
    assert_eq!(
        answer("large"),
        json!({"type": "string", "format": "int64"})
    );
    assert_eq!(
        answer("positive"),
        json!({"type": "string", "format": "uint64"})
    );
    assert_eq!(answer("flag"), json!({"type": "boolean"}));
    assert_eq!(
        answer("data"),
        json!({"type": "string", "format": "byte", "contentEncoding": "base64", "maxLength": 8})
    );
    assert_eq!(
        answer("real"),
        json!({"anyOf": [
            {"type": "number", "format": "double"},
            {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]},
        ]})
    );
    assert_eq!(
        answer("finite"),
        json!({"type": "number", "format": "float"})
    );
    assert_eq!(
        answer("small"),
        json!({"type": "integer", "format": "int32", "exclusiveMinimum": 3, "maximum": 9})
    );
}

#[test]
fn well_known_types_have_their_own_forms() {
    assert_eq!(answer("timeStamp")["format"], "date-time");
    assert_eq!(answer("timeStamp")["readOnly"], true);
    let pattern = answer("duration")["pattern"].as_str().unwrap().to_owned();
    for text in ["0s", "1.5s", "-3.000000001s"] {
        assert!(constraint::matches(&pattern, text), "{text}");
    }
    assert!(!constraint::matches(&pattern, "1"));
    let pattern = answer("mask")["pattern"].as_str().unwrap().to_owned();
    for text in ["", "a", "displayName,user.email"] {
        assert!(constraint::matches(&pattern, text), "{text}");
    }
    assert!(!constraint::matches(&pattern, "a,,b"));
    assert_eq!(answer("structure"), json!({"type": "object"}));
    assert_eq!(answer("value"), json!({}));
    assert_eq!(answer("list"), json!({"type": "array", "items": {}}));
    assert_eq!(answer("maybeText"), json!({"type": ["string", "null"]}));
    assert_eq!(
        answer("maybeLarge"),
        json!({"type": ["string", "null"], "format": "int64"})
    );
    assert_eq!(answer("any")["required"], json!(["@type"]));
    assert_eq!(answer("any")["additionalProperties"], true);
    assert_eq!(
        answer("empty"),
        json!({"type": "object", "maxProperties": 0})
    );
    assert_eq!(answer("nothing"), json!({"type": "null"}));
}

#[test]
fn collections_have_their_items_and_rules() {
    assert_eq!(
        answer("names"),
        json!({
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-z]+$", "examples": ["editor"]},
            "minItems": 1, "maxItems": 3, "uniqueItems": true,
        })
    );
    assert_eq!(
        request("byNumber"),
        json!({
            "type": ["object", "null"],
            "propertyNames": {"pattern": "^(0|-?[1-9][0-9]{0,8})$"},
            "additionalProperties": {"$ref": "#/components/schemas/reference.v1.Thing-Input"},
            "maxProperties": 4,
        })
    );
    assert_eq!(answer("labels")["propertyNames"], json!({"maxLength": 3}));
}

#[test]
fn messages_and_enums_are_referred_to() {
    assert_eq!(
        answer("inner"),
        json!({"$ref": "#/components/schemas/reference.v1.Thing", "description": "Itself."})
    );
    assert_eq!(
        answer("color"),
        json!({"$ref": "#/components/schemas/reference.v1.Color"})
    );
    // What is sent may be a number.
    assert_eq!(
        request("color"),
        json!({"anyOf": [
            {"$ref": "#/components/schemas/reference.v1.Color"},
            {"type": "integer", "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX},
            {"type": "null"},
        ]})
    );
    assert_eq!(request("warm")["anyOf"][1]["enum"], json!([1, 2]));
    assert_eq!(
        schemas(Side::Answer)["reference.v1.Color"],
        json!({
            "type": "string",
            "title": "Color",
            "description": "A colour.\n\n* `COLOR_RED`: Warm.",
            "enum": ["COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_BLUE"],
        })
    );
    assert_eq!(
        answer("warm"),
        json!({"type": "string", "enum": ["COLOR_RED", "COLOR_BLUE"]})
    );
}

#[test]
fn a_request_takes_null_for_nothing_and_nothing_unknown() {
    let thing = &schemas(Side::Request)["reference.v1.Thing-Input"];
    assert_eq!(thing["additionalProperties"], false);
    assert_eq!(
        thing["required"],
        json!(["small", "text", "warm", "names"]),
        "what refuses its zero must be given"
    );
    assert_eq!(request("flag")["type"], json!(["boolean", "null"]));
    assert_eq!(
        request("text"),
        json!({"type": "string", "minLength": 2, "maxLength": 5, "description": "Some text."})
    );
    assert_eq!(
        request("email"),
        json!({
            "anyOf": [
                {"type": "string", "format": "email"},
                {"type": "string", "maxLength": 0},
                {"type": "null"},
            ],
            "examples": ["ada@example.com"],
        })
    );
    assert_eq!(request("secret")["writeOnly"], true);
    assert_eq!(request("maybeText"), json!({"type": ["string", "null"]}));
    assert_eq!(request("nothing"), json!({"type": "null"}));
    assert_eq!(request("maybe")["deprecated"], true);
    let large = request("large");
    assert_eq!(large["anyOf"][0]["type"], "string");
    assert_eq!(large["anyOf"][1]["type"], "integer");
    assert_eq!(large["anyOf"][1]["minimum"], i64::MIN);
}

#[test]
fn an_answer_is_open_and_a_change_needs_nothing() {
    let thing = &schemas(Side::Answer)["reference.v1.Thing"];
    assert!(thing.get("additionalProperties").is_none());
    assert!(thing.get("required").is_none());
    let thing = &schemas(Side::Change)["reference.v1.Thing-Patch"];
    assert_eq!(thing["additionalProperties"], false);
    assert!(thing.get("required").is_none());
    assert_eq!(
        thing["properties"]["text"]["type"], "string",
        "what is required cannot be taken away"
    );
    assert_eq!(
        thing["properties"]["flag"]["type"],
        json!(["boolean", "null"])
    );
}

#[test]
fn a_oneof_is_said_and_held() {
    let thing = &schemas(Side::Request)["reference.v1.Thing-Input"];
    assert_eq!(
        thing["oneOf"],
        json!([{"required": ["left"]}, {"required": ["right"]}])
    );
    assert_eq!(
        thing["properties"]["left"]["description"],
        "The left one.\n\nAt most one of `left`, `right` is set."
    );
    let optional = &schemas(Side::Change)["reference.v1.Thing-Patch"]["oneOf"];
    assert_eq!(optional.as_array().map(Vec::len), Some(3));
}

#[test]
fn members_stand_in_the_order_of_the_file() {
    let pool = portico_transcode::pool(portico_proto::user::DESCRIPTOR_SET).unwrap();
    let notes = Notes::of(&pool);
    let user = pool.get_message_by_name("portico.user.v1.User").unwrap();
    let object = Schemas::new(&notes).object(&user, Side::Answer, &[]);
    let Some(Json::Object(properties)) = object.get("properties") else {
        panic!("{object:?}");
    };
    let names: Vec<&str> = properties.iter().map(|(name, _)| name).take(4).collect();
    assert_eq!(names, ["id", "email", "emailVerified", "displayName"]);
}
