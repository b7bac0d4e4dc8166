//! From words to a filter. `OR` binds closer than `AND`, as AIP-160 has it.

use chrono::{DateTime, Utc};

use super::{
    Filter, FilterError, MAX_DEPTH, MAX_TESTS, Match, Relation, Test, TextField, TimeField,
    lex::{Lexer, Token},
};
use crate::domain::{RoleName, Status, UserId};

const FIELDS: &str = "`id`, `email`, `username`, `display_name`, `given_name`, `family_name`, `phone`, \
                      `locale`, `time_zone`, `status`, `email_verified`, `roles`, `create_time`, \
                      `update_time` and `delete_time`";

pub fn filter(text: &str) -> Result<Option<Filter>, FilterError> {
    let mut parser = Parser::new(text)?;
    if parser.token.is_none() {
        return Ok(None);
    }
    let filter = parser.expression(0)?;
    match parser.token {
        None => Ok(Some(filter)),
        Some(_) => Err(parser.fault("this closes nothing that was opened")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    column: usize,
    token: Option<Token>,
    tests: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, FilterError> {
        let mut lexer = Lexer::new(text);
        let (column, token) = lexer.next()?;
        Ok(Self {
            lexer,
            column,
            token,
            tests: 0,
        })
    }

    /// Takes the word, and goes on to the next one.
    fn take(&mut self) -> Result<Option<Token>, FilterError> {
        let (column, token) = self.lexer.next()?;
        self.column = column;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn fault(&self, fault: impl Into<String>) -> FilterError {
        FilterError {
            column: self.column,
            fault: fault.into(),
        }
    }

    /// Conditions that all hold, with `AND` or only a space between.
    fn expression(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut all = vec![self.factor(depth)?];
        loop {
            match self.token {
                None | Some(Token::Close) => return Ok(joined(all, Filter::And)),
                Some(Token::And) => {
                    self.take()?;
                }
                _ => {}
            }
            all.push(self.factor(depth)?);
        }
    }

    /// Conditions of which one holds.
    fn factor(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut any = vec![self.term(depth)?];
        while self.token == Some(Token::Or) {
            self.take()?;
            any.push(self.term(depth)?);
        }
        Ok(joined(any, Filter::Or))
    }

    fn term(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth > MAX_DEPTH {
            return Err(self.fault(format!(
                "at most {MAX_DEPTH} levels of parentheses are accepted"
            )));
        }
        match self.token {
            Some(Token::Not | Token::Minus) => {
                self.take()?;
                Ok(Filter::Not(Box::new(self.term(depth + 1)?)))
            }
            Some(Token::Open) => {
                self.take()?;
                let inner = self.expression(depth + 1)?;
                if self.token != Some(Token::Close) {
                    return Err(self.fault("a `)` is missing"));
                }
                self.take()?;
                Ok(inner)
            }
            _ => self.comparison(),
        }
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        let Some(Token::Word(field)) = self.token.clone() else {
            return Err(self.fault("a comparison is expected, such as `status = ACTIVE`"));
        };
        self.tests += 1;
        if self.tests > MAX_TESTS {
            return Err(self.fault(format!("at most {MAX_TESTS} comparisons are accepted")));
        }
        let field = Field::parse(&field)
            .ok_or_else(|| self.fault(format!("this is no field to filter by; {FIELDS} are")))?;
        self.take()?;
        let Some(Token::Comparator(comparator)) = self.token else {
            return Err(self.fault("one of `=`, `!=`, `<`, `<=`, `>`, `>=` and `:` is expected"));
        };
        if !field.takes(comparator) {
            return Err(self.fault(format!(
                "this field is compared with {}",
                field.comparators()
            )));
        }
        self.take()?;
        let value = match &self.token {
            Some(Token::Word(text) | Token::Quoted(text)) => text.clone(),
            _ => return Err(self.fault("a value is expected; put it into double quotes")),
        };
        let test = field
            .test(comparator, &value)
            .map_err(|fault| self.fault(fault))?;
        self.take()?;
        let test = Filter::Test(test);
        Ok(match comparator {
            "!=" => Filter::Not(Box::new(test)),
            _ => test,
        })
    }
}

fn joined(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

#[derive(Clone, Copy)]
enum Field {
    Id,
    Text(TextField),
    Status,
    EmailVerified,
    Roles,
    Time(TimeField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "id" => Self::Id,
            "email" => Self::Text(TextField::Email),
            "username" => Self::Text(TextField::Username),
            "display_name" => Self::Text(TextField::DisplayName),
            "given_name" => Self::Text(TextField::GivenName),
            "family_name" => Self::Text(TextField::FamilyName),
            "phone" => Self::Text(TextField::Phone),
            "locale" => Self::Text(TextField::Locale),
            "time_zone" => Self::Text(TextField::TimeZone),
            "status" => Self::Status,
            "email_verified" => Self::EmailVerified,
            "roles" => Self::Roles,
            "create_time" => Self::Time(TimeField::Create),
            "update_time" => Self::Time(TimeField::Update),
            "delete_time" => Self::Time(TimeField::Delete),
            _ => return None,
        })
    }

    fn takes(self, comparator: &str) -> bool {
        match self {
            Self::Id | Self::Status | Self::EmailVerified => matches!(comparator, "=" | "!="),
            Self::Text(_) => matches!(comparator, "=" | "!=" | ":"),
            Self::Roles => comparator == ":",
            Self::Time(_) => comparator != ":",
        }
    }

    const fn comparators(self) -> &'static str {
        match self {
            Self::Id | Self::Status | Self::EmailVerified => "`=` and `!=`",
            Self::Text(_) => "`=`, `!=` and `:`",
            Self::Roles => "`:`",
            Self::Time(_) => "`=`, `!=`, `<`, `<=`, `>` and `>=`",
        }
    }

    fn test(self, comparator: &str, value: &str) -> Result<Test, String> {
        Ok(match self {
            Self::Id => Test::Id(UserId::parse(value).map_err(|error| error.to_string())?),
            Self::Text(field) => text(field, comparator, value)?,
            Self::Status => Test::Status(status(value)?),
            Self::EmailVerified => match value {
                "true" => Test::EmailVerified(true),
                "false" => Test::EmailVerified(false),
                _ => return Err("must be `true` or `false`".into()),
            },
            Self::Roles => Test::Role(RoleName::parse(value).map_err(|error| error.to_string())?),
            Self::Time(field) => Test::Time(field, relation(comparator), time(value)?),
        })
    }
}

/// `=` knows `*` at either end as any text; with `:` every character stands for itself.
fn text(field: TextField, comparator: &str, value: &str) -> Result<Test, String> {
    let (kind, text) = if comparator == ":" {
        (Match::Part, value)
    } else {
        match (value.strip_prefix('*'), value.strip_suffix('*')) {
            (Some(rest), Some(_)) => (Match::Part, rest.strip_suffix('*').unwrap_or_default()),
            (Some(rest), None) => (Match::Suffix, rest),
            (None, Some(rest)) => (Match::Prefix, rest),
            (None, None) => (Match::Whole, value),
        }
    };
    if text.is_empty() && kind != Match::Whole {
        return Err("must not be empty".into());
    }
    Ok(Test::Text(field, kind, text.to_owned()))
}

fn status(value: &str) -> Result<Status, String> {
    match value.strip_prefix("USER_STATUS_").unwrap_or(value) {
        "ACTIVE" => Ok(Status::Active),
        "SUSPENDED" => Ok(Status::Suspended),
        "DELETED" => Ok(Status::Deleted),
        _ => Err("must be `ACTIVE`, `SUSPENDED` or `DELETED`".into()),
    }
}

fn time(value: &str) -> Result<DateTime<Utc>, String> {
    let time = DateTime::parse_from_rfc3339(value)
        .map_err(|_| "must be a time after RFC 3339 such as \"2026-01-31T12:00:00Z\"")?;
    // What databases keep, and no year that they do not.
    DateTime::from_timestamp_micros(time.timestamp_micros())
        .filter(|time| (0..=253_402_300_799).contains(&time.timestamp()))
        .ok_or_else(|| "must be a time between 1970 and 9999".to_owned())
}

fn relation(comparator: &str) -> Relation {
    match comparator {
        "<" => Relation::Less,
        "<=" => Relation::AtMost,
        ">" => Relation::Greater,
        ">=" => Relation::AtLeast,
        _ => Relation::Equal,
    }
}
