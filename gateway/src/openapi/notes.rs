//! What stands beside the declarations: comments, and options as bytes.
//!
//! Both are read from the files' bytes. Reflected options would be nicer to read, but decoding them
//! panics on bytes that are no good, and a stranger's descriptors may hold anything.

use std::collections::{HashMap, HashSet};

use prost::{Message, bytes::Bytes};
use prost_reflect::DescriptorPool;

/// The notes on every declaration of some files, by full name.
#[derive(Debug, Default)]
pub struct Notes(HashMap<String, Note>);

/// What stands beside one declaration.
#[derive(Debug, Default)]
pub struct Note {
    /// The comment, as Markdown.
    pub comment: String,
    /// The encoded options.
    pub options: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Declared>,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<Enum>,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
    #[prost(message, optional, tag = "9")]
    source: Option<Source>,
}

#[derive(Clone, PartialEq, Message)]
struct Declared {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Leaf>,
    #[prost(message, repeated, tag = "3")]
    messages: Vec<Declared>,
    #[prost(message, repeated, tag = "4")]
    enums: Vec<Enum>,
    #[prost(bytes = "bytes", tag = "7")]
    options: Bytes,
    #[prost(message, repeated, tag = "8")]
    oneofs: Vec<Oneof>,
}

/// A field: its options are its eighth field.
#[derive(Clone, PartialEq, Message)]
struct Leaf {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "8")]
    options: Bytes,
    #[prost(string, tag = "10")]
    json_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Oneof {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    options: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Enum {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    values: Vec<EnumValue>,
    #[prost(bytes = "bytes", tag = "3")]
    options: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct EnumValue {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
    #[prost(bytes = "bytes", tag = "3")]
    options: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "4")]
    options: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Source {
    #[prost(message, repeated, tag = "1")]
    locations: Vec<Location>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(int32, repeated, tag = "1")]
    path: Vec<i32>,
    #[prost(string, tag = "3")]
    leading: String,
    #[prost(string, tag = "4")]
    trailing: String,
}

impl Notes {
    /// Reads the notes on everything in the pool. A file that cannot be read has none.
    pub fn of(pool: &DescriptorPool) -> Self {
        let files = pool.files();
        let files: Vec<File> = files
            .filter_map(|file| File::decode(file.encode_to_vec().as_slice()).ok())
            .collect();
        let fields = files.iter().flat_map(|file| leaves(&file.messages));
        let known: HashSet<String> = fields.map(|(name, _)| name.to_owned()).collect();
        let mut notes = Self::default();
        for file in files {
            notes.file(file, &known);
        }
        notes
    }

    /// The note on a declaration. A value of an enum is named after its enum: `pkg.Color.COLOR_RED`.
    pub fn on(&self, full_name: &str) -> &Note {
        static NOTHING: Note = Note {
            comment: String::new(),
            options: Bytes::new(),
        };
        self.0.get(full_name).unwrap_or(&NOTHING)
    }

    /// `known` are the names of all fields there are.
    fn file(&mut self, file: File, known: &HashSet<String>) {
        let own = leaves(&file.messages).into_iter();
        let kept: HashSet<String> = own
            .filter(|(name, json_name)| name == json_name)
            .map(|(name, _)| name.to_owned())
            .collect();
        let is_renamed = |name: &str| known.contains(name) && !kept.contains(name);
        let source = file.source.unwrap_or_default();
        let comments: HashMap<Vec<i32>, String> = source
            .locations
            .into_iter()
            .filter_map(|it| {
                let text = if it.leading.is_empty() {
                    it.trailing
                } else {
                    it.leading
                };
                (!text.is_empty()).then(|| (it.path, markdown(&text, &is_renamed)))
            })
            .collect();
        let mut reader = Reader {
            notes: self,
            comments,
        };
        let prefix = match file.package.as_str() {
            "" => String::new(),
            package => format!("{package}."),
        };
        for (message, index) in file.messages.into_iter().zip(0..) {
            reader.message(message, &prefix, &[4, index]);
        }
        for (it, index) in file.enums.into_iter().zip(0..) {
            reader.enumeration(it, &prefix, &[5, index]);
        }
        for (service, index) in file.services.into_iter().zip(0..) {
            let name = format!("{prefix}{}", service.name);
            for (method, place) in service.methods.into_iter().zip(0..) {
                let full = format!("{name}.{}", method.name);
                reader.note(full, &[6, index, 2, place], method.options);
            }
            reader.note(name, &[6, index], service.options);
        }
    }
}

struct Reader<'n> {
    notes: &'n mut Notes,
    comments: HashMap<Vec<i32>, String>,
}

impl Reader<'_> {
    fn message(&mut self, message: Declared, prefix: &str, path: &[i32]) {
        let name = format!("{prefix}{}", message.name);
        let inner = format!("{name}.");
        let at = |kind, index| [path, &[kind, index]].concat();
        for (field, index) in message.fields.into_iter().zip(0..) {
            let full = format!("{inner}{}", field.name);
            self.note(full, &at(2, index), field.options);
        }
        for (nested, index) in message.messages.into_iter().zip(0..) {
            self.message(nested, &inner, &at(3, index));
        }
        for (it, index) in message.enums.into_iter().zip(0..) {
            self.enumeration(it, &inner, &at(4, index));
        }
        for (oneof, index) in message.oneofs.into_iter().zip(0..) {
            let full = format!("{inner}{}", oneof.name);
            self.note(full, &at(8, index), oneof.options);
        }
        self.note(name, path, message.options);
    }

    fn enumeration(&mut self, it: Enum, prefix: &str, path: &[i32]) {
        let name = format!("{prefix}{}", it.name);
        for (value, index) in it.values.into_iter().zip(0..) {
            let at = [path, &[2, index]].concat();
            self.note(format!("{name}.{}", value.name), &at, Bytes::new());
        }
        self.note(name, path, it.options);
    }

    fn note(&mut self, full_name: String, path: &[i32], options: Bytes) {
        let comment = self.comments.remove(path).unwrap_or_default();
        if !comment.is_empty() || !options.is_empty() {
            self.notes.0.insert(full_name, Note { comment, options });
        }
    }
}

/// The fields of messages and of those within them, by name and JSON name.
fn leaves(messages: &[Declared]) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for message in messages {
        let fields = message.fields.iter();
        found.extend(fields.map(|it| (it.name.as_str(), it.json_name.as_str())));
        found.extend(leaves(&message.messages));
    }
    found
}

/// A comment as REST callers read it: without its margin and without notes for tools, and with the
/// names of fields as JSON has them. `is_renamed` says that JSON has another name for a field.
fn markdown(comment: &str, is_renamed: &impl Fn(&str) -> bool) -> String {
    let lines = comment
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    let lines: Vec<&str> = lines.filter(|line| !is_for_tools(line)).collect();
    in_json_names(lines.join("\n").trim(), is_renamed)
}

fn is_for_tools(line: &str) -> bool {
    ["buf:lint:", "(--", "--)", "@exclude"]
        .iter()
        .any(|it| line.trim_start().starts_with(it))
}

/// Writes the names of fields within backticks in lowerCamelCase.
fn in_json_names(text: &str, is_renamed: &impl Fn(&str) -> bool) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(index, part)| {
        let mut long = part.split('.').filter(|it| it.contains('_'));
        if index % 2 == 1 && is_field_path(part) && long.all(is_renamed) {
            camel(part)
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

fn is_field_path(text: &str) -> bool {
    text.contains('_')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.')
}

/// A name as protobuf makes a JSON name of it.
pub fn camel(name: &str) -> String {
    let mut up = false;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => up = true,
            c if up => {
                out.push(c.to_ascii_uppercase());
                up = false;
            }
            c => out.push(c),
        }
    }
    out
}

/// The first sentence of a comment, without its full stop, and the whole of it. The text of a comment
/// of one sentence is not said twice.
pub fn summary(comment: &str) -> (String, String) {
    let first = comment.split("\n\n").next().unwrap_or_default();
    let first = first.replace('\n', " ");
    let end = first.find(". ").unwrap_or(first.len());
    let sentence = first[..end].trim_end_matches('.').to_owned();
    let whole = comment.replace('\n', " ");
    let rest = if whole.trim_end_matches('.') == sentence {
        String::new()
    } else {
        comment.to_owned()
    };
    (sentence, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_has_its_comment() {
        let pool = portico_transcode::pool(portico_proto::user::DESCRIPTOR_SET).unwrap();
        let notes = Notes::of(&pool);
        let comment = |name: &str| notes.on(name).comment.as_str();
        assert_eq!(comment("portico.user.v1.User"), "An account.");
        let verified = comment("portico.user.v1.User.email_verified");
        assert!(
            verified.starts_with("Whether the address is known to be the account's."),
            "{verified}"
        );
        assert_eq!(
            comment("portico.user.v1.UserStatus.USER_STATUS_ACTIVE"),
            "In use."
        );
        assert_eq!(
            comment("portico.user.v1.UserService"),
            "Accounts: who exists, and what is known of them."
        );
        assert!(comment("portico.user.v1.UserService.UpdateUser").contains("`updateMask`"));
        assert!(!comment("portico.user.v1.UserEvents").contains("buf:lint"));
        assert!(!notes.on("portico.user.v1.User.email").options.is_empty());
        assert_eq!(comment("nobody"), "");
    }

    #[test]
    fn only_names_that_json_changes_are_changed() {
        let pool = portico_transcode::pool(portico_proto::auth::DESCRIPTOR_SET).unwrap();
        let notes = Notes::of(&pool);
        let comment = |name: &str| notes.on(name).comment.as_str();
        let token = comment("portico.auth.v1.OAuthService.Token");
        for kept in [
            "`client_credentials`",
            "`refresh_token`",
            "`invalid_client`",
        ] {
            assert!(token.contains(kept), "{token}");
        }
        let introspect = comment("portico.auth.v1.OAuthService.Introspect");
        assert!(introspect.contains("`introspectsAll`"), "{introspect}");
        let sessions = comment("portico.auth.v1.ServiceAccountService.UpdateServiceAccount");
        assert!(sessions.contains("`updateMask`"), "{sessions}");
    }

    #[test]
    fn the_first_sentence_is_the_summary() {
        let (summary_, rest) = summary("Reads one\naccount. The id `me` is yours.");
        assert_eq!(summary_, "Reads one account");
        assert_eq!(rest, "Reads one\naccount. The id `me` is yours.");
        assert_eq!(
            summary("Lists them."),
            ("Lists them".to_owned(), String::new())
        );
    }
}
