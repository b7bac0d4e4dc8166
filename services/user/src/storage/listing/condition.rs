//! Filters and searches as conditions.

use sea_orm::{DbBackend, Iterable};

use super::sql::Sql;
use crate::{
    domain::{
        Filter, Match, OrderKey, Relation, RoleName, Status, Test, TextField, TimeField, Word,
    },
    storage::{accounts::number, entity::users::Column},
};

/// What is searched in, as the index of trigrams has it.
const POSTGRES_INDEXED: &str = "lower(' ' || email_key || ' ' || coalesce(username_key, '') || ' ' || \
                                display_name || ' ' || given_name || ' ' || family_name)";
/// The same where no index is asked, put together in half the time and not folded yet.
pub const POSTGRES_SEARCHED: &str = "concat_ws(' ', '', email_key, username_key, display_name, given_name, family_name) AS searched";

/// How accounts come to a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// One after the other.
    OnAWalk,
    /// From an index that has to be seen to have it.
    ByIndex,
}

/// The columns of an account.
pub fn columns() -> String {
    let names = Column::iter().map(|column| format!("users.{}", sea_orm::Iden::unquoted(&column)));
    names.collect::<Vec<_>>().join(", ")
}

/// Whether a condition leaves one account at most, through a unique index.
pub fn is_probe(filter: &Filter) -> bool {
    match filter {
        Filter::Test(Test::Id(_)) => true,
        Filter::Test(Test::Text(TextField::Email | TextField::Username, Match::Whole, text)) => {
            !text.is_empty()
        }
        _ => false,
    }
}

/// A part that an address or a name needs to have.
pub fn part(filter: &Filter) -> Option<&str> {
    use TextField::{DisplayName, Email, FamilyName, GivenName, Username};

    match filter {
        Filter::Test(Test::Text(
            Email | Username | DisplayName | GivenName | FamilyName,
            Match::Part | Match::Prefix | Match::Suffix,
            text,
        )) => Some(text),
        _ => None,
    }
}

/// Says once more what a condition says, so that an index is seen to have it.
pub fn narrow(filter: &Filter, order: OrderKey, sql: &mut Sql) {
    match filter {
        Filter::Test(Test::Status(Status::Suspended)) => {
            sql.push(" AND status = 2");
        }
        Filter::Test(Test::Role(role)) if role.as_str() != RoleName::USER => {
            sql.push(" AND roles <> 'user'");
        }
        Filter::Test(Test::Time(field, ..)) if Some(order) == ordered_by(*field) => {
            sql.push(" AND ");
            write(filter, Met::ByIndex, sql);
        }
        Filter::Test(Test::Text(TextField::Phone, Match::Whole, number)) if !number.is_empty() => {
            sql.push(" AND phone <> '' AND ");
            write(filter, Met::ByIndex, sql);
        }
        Filter::Test(Test::Text(TextField::DisplayName, Match::Whole, _)) => {
            sql.push(" AND ");
            write(filter, Met::ByIndex, sql);
        }
        _ => {}
    }
}

fn ordered_by(field: TimeField) -> Option<OrderKey> {
    match field {
        TimeField::Create => Some(OrderKey::CreateTime),
        TimeField::Update => Some(OrderKey::UpdateTime),
        TimeField::Delete => None,
    }
}

/// Writes a condition. It is true or false, and never neither.
pub fn write(filter: &Filter, met: Met, sql: &mut Sql) {
    match filter {
        Filter::And(all) => join(all, " AND ", met, sql),
        Filter::Or(any) => join(any, " OR ", met, sql),
        Filter::Not(inner) => {
            sql.push("NOT ");
            write(inner, met, sql);
        }
        Filter::Test(test) => self::test(test, met, sql),
    }
}

fn join(parts: &[Filter], between: &str, met: Met, sql: &mut Sql) {
    sql.push("(");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            sql.push(between);
        }
        write(part, met, sql);
    }
    sql.push(")");
}

fn test(test: &Test, met: Met, sql: &mut Sql) {
    match test {
        Test::Id(id) => {
            sql.push("id = ").bind(uuid::Uuid::from(*id));
        }
        Test::Text(field, kind, value) => text(*field, *kind, value, met, sql),
        Test::Status(status) => {
            sql.push("status = ").bind(number(*status));
        }
        Test::EmailVerified(verified) => {
            sql.push(if *verified {
                "email_verified"
            } else {
                "(NOT email_verified)"
            });
        }
        Test::Role(role) => {
            let word = format!("% {} %", role.as_str());
            sql.push("' ' || roles || ' ' LIKE ").bind(word);
        }
        Test::Time(field, relation, time) => {
            let column = match field {
                TimeField::Create => "create_time",
                TimeField::Update => "update_time",
                TimeField::Delete => "delete_time",
            };
            let relation = match relation {
                Relation::Equal => " = ",
                Relation::Less => " < ",
                Relation::AtMost => " <= ",
                Relation::Greater => " > ",
                Relation::AtLeast => " >= ",
            };
            sql.push("(");
            if *field == TimeField::Delete {
                sql.push("delete_time IS NOT NULL AND ");
            }
            sql.push(column).push(relation).bind(*time).push(")");
        }
    }
}

fn text(field: TextField, kind: Match, value: &str, met: Met, sql: &mut Sql) {
    // How a text is compared, and whether lower case makes two of them the same.
    let (column, folded) = match field {
        TextField::Email => ("email_key", true),
        TextField::Username => ("username_key", true),
        TextField::DisplayName => ("lower(display_name)", false),
        TextField::GivenName => ("lower(given_name)", false),
        TextField::FamilyName => ("lower(family_name)", false),
        TextField::Phone => ("phone", true),
        TextField::Locale => ("lower(locale)", false),
        TextField::TimeZone => ("lower(time_zone)", false),
    };
    let value = if folded {
        value.to_ascii_lowercase()
    } else {
        value.to_owned()
    };
    // The database folds both sides alike where more than ASCII may be in them.
    let (open, close) = if folded { ("", "") } else { ("lower(", ")") };
    sql.push("(");
    if field == TextField::Username {
        if value.is_empty() {
            sql.push("username_key IS NULL)");
            return;
        }
        sql.push("username_key IS NOT NULL AND ");
    }
    let pattern = escaped(&value);
    let pattern = match kind {
        Match::Whole => {
            sql.push(column)
                .push(" = ")
                .push(open)
                .bind(value)
                .push(close)
                .push(")");
            return;
        }
        Match::Prefix => format!("{pattern}%"),
        Match::Suffix => format!("%{pattern}"),
        Match::Part => format!("%{pattern}%"),
    };
    sql.push(column)
        .push(" LIKE ")
        .push(open)
        .bind(pattern)
        .push(close);
    sql.push(" ESCAPE '\\'");
    if sql.backend == DbBackend::Postgres
        && met == Met::ByIndex
        && let Some(part) = part_of(field, &value)
    {
        // What the index of trigrams knows.
        sql.push(" AND ")
            .push(POSTGRES_INDEXED)
            .push(" LIKE lower(");
        sql.bind(format!("%{}%", escaped(part)))
            .push(") ESCAPE '\\'");
    }
    sql.push(")");
}

fn part_of(field: TextField, value: &str) -> Option<&str> {
    let searched = !matches!(
        field,
        TextField::Phone | TextField::Locale | TextField::TimeZone
    );
    (searched && super::has_trigram(value)).then_some(value)
}

/// Writes that a word is found.
pub fn search(word: &Word, met: Met, sql: &mut Sql) {
    match sql.backend {
        DbBackend::Postgres => {
            let begin = if word.begins() { "% " } else { "%" };
            let pattern = format!("{begin}{}%", escaped(word.as_str()));
            let mut like = |text: &str| {
                sql.push(text).push(" LIKE lower(").bind(pattern.clone());
                sql.push(") ESCAPE '\\'");
            };
            match met {
                Met::ByIndex => like(POSTGRES_INDEXED),
                // Most texts have but ASCII in them, which the locale `C` folds in a fraction of the time.
                Met::OnAWalk => {
                    like("(lower(searched COLLATE \"C\")");
                    like(" OR octet_length(searched) <> char_length(searched) AND lower(searched)");
                    sql.push(")");
                }
            }
        }
        // The trigrams say it, and have been asked.
        _ => {
            sql.push("TRUE");
        }
    }
}

/// A word as the trigrams of SQLite find it, behind two spaces when it begins something.
pub fn phrase(word: &Word) -> String {
    let begin = if word.begins() { "  " } else { "" };
    quoted(&format!("{begin}{}", word.as_str()))
}

/// A part of a text likewise, in which as many spaces stand between words as there.
pub fn part_phrase(part: &str) -> String {
    quoted(&part.replace(' ', "  "))
}

/// A phrase in which every character stands for itself.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// A text in which the wildcards of `LIKE` stand for themselves.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
