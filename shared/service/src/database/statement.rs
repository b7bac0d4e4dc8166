//! What a statement does, and to which table, as far as metrics and traces tell.

use std::iter;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Select,
    Insert,
    Update,
    Delete,
    Commit,
    Other,
}

impl Operation {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Commit => "COMMIT",
            Self::Other => "OTHER",
        }
    }

    fn of(verb: &str) -> Self {
        let is = |word: &str| verb.eq_ignore_ascii_case(word);
        match verb {
            _ if is("SELECT") => Self::Select,
            _ if is("INSERT") => Self::Insert,
            _ if is("UPDATE") => Self::Update,
            _ if is("DELETE") => Self::Delete,
            _ => Self::Other,
        }
    }
}

/// A statement, read as far as its table.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    pub(super) operation: Operation,
    /// Its first word.
    pub(super) verb: &'a str,
    /// The table that it is about; empty when it names none.
    pub(super) table: &'a str,
}

impl<'a> Statement<'a> {
    pub(super) const COMMIT: Statement<'static> = Statement {
        operation: Operation::Commit,
        verb: "COMMIT",
        table: "",
    };

    pub(super) fn of(sql: &'a str) -> Self {
        let mut words = sql.split_ascii_whitespace();
        let verb = words.next().unwrap_or_default();
        let operation = Operation::of(verb);
        let table = match operation {
            Operation::Update => words.next().and_then(name),
            Operation::Select => outermost(tables(words, &["FROM"])),
            _ => tables(words, &["FROM", "INTO", "UPDATE"])
                .next()
                .map(|(_, table)| table),
        };
        Self {
            operation,
            verb,
            table: table.unwrap_or_default(),
        }
    }

    /// The operation with its table, as spans are named.
    pub(super) fn summary(&self) -> String {
        if self.table.is_empty() {
            return self.verb.to_owned();
        }
        format!("{} {}", self.verb, self.table)
    }
}

/// The table that a SELECT itself reads, not one that a select within it does; such a one where there is no
/// other.
fn outermost<'a>(tables: impl Iterator<Item = (i32, &'a str)>) -> Option<&'a str> {
    let mut outer: Option<(i32, &str)> = None;
    for (depth, table) in tables {
        if outer.is_none_or(|(least, _)| depth < least) {
            outer = Some((depth, table));
        }
        if depth == 0 {
            break;
        }
    }
    outer.map(|(_, table)| table)
}

/// The names that follow one of the words before which a table stands, each with the number of parentheses around it;
/// what is in parentheses there is no name.
fn tables<'a>(
    mut words: impl Iterator<Item = &'a str>,
    before: &[&str],
) -> impl Iterator<Item = (i32, &'a str)> {
    let (mut depth, mut expected) = (0, false);
    iter::from_fn(move || {
        loop {
            let word = words.next()?;
            let around = depth;
            depth += nesting(word);
            let table = if expected { name(word) } else { None };
            let keyword = word.trim_start_matches('(');
            expected = before.iter().any(|it| keyword.eq_ignore_ascii_case(it));
            if let Some(table) = table {
                return Some((around, table));
            }
        }
    })
}

/// How many parentheses a word opens more than it closes.
fn nesting(word: &str) -> i32 {
    word.bytes()
        .map(|byte| match byte {
            b'(' => 1,
            b')' => -1,
            _ => 0,
        })
        .sum()
}

/// A table's name without quotes and without what follows it.
fn name(word: &str) -> Option<&str> {
    let word = word.trim_start_matches(['"', '`']);
    let end = word
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(word.len());
    let name = &word[..end];
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // A function that gives rows is none.
    (begins && !word[end..].starts_with('(') && name.len() < 64).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_named_by_what_they_do_and_to_what() {
        for (sql, summary) in [
            (
                r#"SELECT "users"."id", "users"."email" FROM "users" WHERE "users"."id" = $1"#,
                "SELECT users",
            ),
            (
                "INSERT INTO sessions (id) SELECT $1 FROM identities",
                "INSERT sessions",
            ),
            (
                "INSERT INTO \"outbox\"(\"time\") VALUES ($1)",
                "INSERT outbox",
            ),
            (
                "UPDATE mails SET due_time = $2 WHERE id IN (SELECT id FROM x)",
                "UPDATE mails",
            ),
            ("DELETE FROM links WHERE token_hash = $1", "DELETE links"),
            (
                "SELECT COUNT(*) FROM (SELECT 1 FROM mails LIMIT 3) AS some",
                "SELECT mails",
            ),
            (
                "SELECT id, (SELECT COUNT(*) FROM codes WHERE (x = 1)) AS codes FROM identities",
                "SELECT identities",
            ),
            (
                "SELECT id FROM (SELECT id FROM mails LIMIT 3) AS due FOR UPDATE SKIP LOCKED",
                "SELECT mails",
            ),
            ("SELECT x FROM unnest($1) AS y", "SELECT"),
            (
                "WITH moved AS (UPDATE families SET a = 1) SELECT 1",
                "WITH families",
            ),
            ("SELECT pg_current_xact_id()", "SELECT"),
            ("select 1 from a,b", "select a"),
            ("", ""),
        ] {
            assert_eq!(Statement::of(sql).summary(), summary, "{sql}");
        }
        assert_eq!(
            Statement::of("WITH a AS (SELECT 1)").operation,
            Operation::Other
        );
        assert_eq!(Statement::of("delete from a").operation, Operation::Delete);
    }
}
