//! What the operations of one path know of its variables.
//!
//! A resource that is changed is named by a field of its own (`{user.id}`), which says less of itself
//! than the field of the request that reads it (`{id}`). In one path they are the same segment.

use crate::openapi::json::{Json, Object};

/// Keywords that say nothing of what a value may be.
const IDLE: [&str; 3] = ["type", "minLength", "examples"];

/// Lets operations whose variable of the path may be anything have the schema of an operation of the
/// same service that says more.
pub fn share(item: &mut Object) {
    let mut known: Vec<(String, String, Object)> = Vec::new();
    each(item, |tag, name, schema| {
        let new = !known
            .iter()
            .any(|(of, it, _)| (of.as_str(), it.as_str()) == (tag, name));
        if new && says(schema) {
            known.push((tag.to_owned(), name.to_owned(), schema.clone()));
        }
    });
    each(item, |tag, name, schema| {
        let better = known.iter().find(|(of, it, _)| of == tag && it == name);
        if let Some((_, _, better)) = better.filter(|_| !says(schema)) {
            schema.clone_from(better);
        }
    });
}

fn says(schema: &Object) -> bool {
    let text = schema.get("type").and_then(Json::as_str) == Some("string");
    !text || schema.iter().any(|(name, _)| !IDLE.contains(&name))
}

/// Calls `see` with the service's tag, the name and the schema of each variable of the path.
fn each(item: &mut Object, mut see: impl FnMut(&str, &str, &mut Object)) {
    for (_, operation) in item.values_mut() {
        let Json::Object(operation) = operation else {
            continue;
        };
        let tag = match operation.get("tags") {
            Some(Json::List(tags)) => tags.first().and_then(Json::as_str),
            _ => None,
        };
        let tag = tag.unwrap_or_default().to_owned();
        let Some(Json::List(parameters)) = operation.get_mut("parameters") else {
            continue;
        };
        for parameter in parameters {
            let Json::Object(parameter) = parameter else {
                continue;
            };
            let Some(name) = parameter.get("name").and_then(Json::as_str) else {
                continue;
            };
            let (name, place) = (name.to_owned(), parameter.get("in").and_then(Json::as_str));
            if place == Some("path")
                && let Some(Json::Object(schema)) = parameter.get_mut("schema")
            {
                see(&tag, &name, schema);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(tag: &str, schema: Object) -> Object {
        let parameter = Object::default()
            .with("name", "id")
            .with("in", "path")
            .with("schema", schema);
        Object::default()
            .with("tags", [tag])
            .with("parameters", [parameter])
    }

    #[test]
    fn what_one_operation_knows_those_of_its_service_know() {
        let text = || Object::of_type("string");
        let uuid = || text().with("format", "uuid");
        let mut item = Object::default()
            .with("get", operation("Users", uuid()))
            .with("patch", operation("Users", text().with("minLength", 1)))
            .with("delete", operation("Others", text()));
        share(&mut item);
        assert_eq!(item.get("patch"), Some(&operation("Users", uuid()).into()));
        assert_eq!(
            item.get("delete"),
            Some(&operation("Others", text()).into())
        );
    }
}
