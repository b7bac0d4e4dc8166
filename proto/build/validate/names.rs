//! The names that prost gives to types and fields. Where one differs, the crate does not compile.

use prost_reflect::{MessageDescriptor, OneofDescriptor};

type Module<'a> = &'a dyn Fn(&str) -> String;

/// The path of a message's type.
pub fn message(message: &MessageDescriptor, module: Module<'_>) -> String {
    format!("{}::{}", home(message, module), upper_camel(message.name()))
}

/// The path of the enum that stands for a oneof.
pub fn oneof(message: &MessageDescriptor, oneof: &OneofDescriptor, module: Module<'_>) -> String {
    let home = home(message, module);
    let inner = snake(message.name());
    format!("{home}::{inner}::{}", upper_camel(oneof.name()))
}

/// A field's name, made fit for Rust where it is a keyword.
pub fn field(name: &str) -> String {
    match name {
        "self" | "super" | "crate" => format!("{name}_"),
        "abstract" | "as" | "async" | "await" | "become" | "box" | "break" | "const"
        | "continue" | "do" | "dyn" | "else" | "enum" | "extern" | "false" | "final" | "fn"
        | "for" | "gen" | "if" | "impl" | "in" | "let" | "loop" | "macro" | "match" | "mod"
        | "move" | "mut" | "override" | "priv" | "pub" | "ref" | "return" | "static" | "struct"
        | "trait" | "true" | "try" | "type" | "typeof" | "unsafe" | "unsized" | "use"
        | "virtual" | "where" | "while" | "yield" => format!("r#{name}"),
        _ => name.to_owned(),
    }
}

/// `display_name` as `DisplayName`.
pub fn upper_camel(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        })
        .collect()
}

/// The module in which a message's type stands: its package's, or the one of the message around it.
fn home(message: &MessageDescriptor, module: Module<'_>) -> String {
    match message.parent_message() {
        Some(parent) => format!("{}::{}", home(&parent, module), snake(parent.name())),
        None => module(message.package_name()),
    }
}

/// `UserEvent` as `user_event`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (place, letter) in name.char_indices() {
        if letter.is_uppercase() && place > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}
