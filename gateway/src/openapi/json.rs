//! JSON whose members keep their order: a reader expects fields as they were declared.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Number;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Object),
}

/// The members of an object, in the order in which they were put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

impl Object {
    /// An object with a `$ref`.
    pub fn reference(to: impl Into<String>) -> Self {
        Self::default().with("$ref", to.into())
    }

    /// A schema of that type.
    pub fn of_type(name: &str) -> Self {
        Self::default().with("type", name)
    }

    /// Puts a member in, over one of the same name.
    pub fn put(&mut self, name: impl Into<String>, value: impl Into<Json>) {
        *self.slot(name.into()) = value.into();
    }

    /// As [`put`](Self::put), by value.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.put(name, value);
        self
    }

    /// The member of that name, made if it is not there.
    pub fn slot(&mut self, name: String) -> &mut Json {
        let at = self.0.iter().position(|(it, _)| *it == name);
        let at = at.unwrap_or_else(|| {
            self.0.push((name, Json::Null));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        let found = self.0.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value)
    }

    /// The member of that name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let found = self.0.iter_mut().find(|(it, _)| it == name);
        found.map(|(_, value)| value)
    }

    /// Takes the member of that name out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let at = self.0.iter().position(|(it, _)| it == name)?;
        Some(self.0.remove(at).1)
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// All members, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = (&str, &mut Json)> {
        let members = self.0.iter_mut();
        members.map(|(name, value)| (name.as_str(), value))
    }

    /// Sorts the members by their names.
    pub fn sort(&mut self) {
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
}

impl Json {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object that it is, or becomes.
    pub fn object_mut(&mut self) -> &mut Object {
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Object::default());
        }
        match self {
            Self::Object(object) => object,
            _ => unreachable!("it was made an object"),
        }
    }

    /// Calls `see` with the text of every `$ref` in it.
    pub fn references(&self, see: &mut impl FnMut(&str)) {
        match self {
            Self::List(items) => items.iter().for_each(|item| item.references(see)),
            Self::Object(object) => {
                for (name, value) in object.iter() {
                    match value {
                        Self::Text(text) if name == "$ref" => see(text),
                        value => value.references(see),
                    }
                }
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }

    /// Gives each `$ref` in it another text, where `change` has one.
    pub fn refer(&mut self, change: &impl Fn(&str) -> Option<String>) {
        match self {
            Self::List(items) => items.iter_mut().for_each(|item| item.refer(change)),
            Self::Object(object) => {
                for (name, value) in object.values_mut() {
                    match value {
                        Self::Text(text) if name == "$ref" => {
                            if let Some(other) = change(text) {
                                *text = other;
                            }
                        }
                        value => value.refer(change),
                    }
                }
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(object) => object.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<i32> for Json {
    fn from(value: i32) -> Self {
        Self::Number(value.into())
    }
}

impl From<Object> for Json {
    fn from(value: Object) -> Self {
        Self::Object(value)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Json>, const N: usize> From<[T; N]> for Json {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order() {
        let mut object = Object::default().with("z", 1).with("a", [true]);
        object.put("z", "again");
        let text = serde_json::to_string(&object).unwrap();
        assert_eq!(text, r#"{"z":"again","a":[true]}"#);
    }

    #[test]
    fn references_are_found_and_changed_at_every_depth() {
        let inner = Object::default().with("items", Object::reference("#/a"));
        let mut json = Json::from(vec![inner, Object::reference("#/b")]);
        json.refer(&|it| (it == "#/a").then(|| "#/c".to_owned()));
        let mut seen = Vec::new();
        json.references(&mut |it| seen.push(it.to_owned()));
        assert_eq!(seen, ["#/c", "#/b"]);
    }
}
