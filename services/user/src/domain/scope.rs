use std::{collections::BTreeSet, fmt};

use super::Invalid;

/// What begins the names of scopes that open the services to each other.
const RESERVED: &str = "portico";

/// What a token may allow, such as `orders:read`: a scope of RFC 6749, section 3.3, in a narrower form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(String);

impl Scope {
    /// Reads lower-case words with `:` or `.` between, a letter first, at most 64 characters. What begins with
    /// `portico` is not for roles.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut words = text.split([':', '.']);
        let word = |word: &str| {
            let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            !word.is_empty() && word.bytes().all(allowed)
        };
        let letter = text.starts_with(|c: char| c.is_ascii_lowercase());
        if text.len() > 64 || !letter || !words.all(word) {
            return Err(Invalid(
                "must be at most 64 characters: lower-case words with `:` or `.` between, such as `orders:read`",
            ));
        }
        if text.split([':', '.']).next() == Some(RESERVED) {
            return Err(Invalid(
                "must not begin with `portico`: such scopes are for the services themselves",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a role gives: each scope once and in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Each of them, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether the scope is among them.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// What somebody may give to others and take from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// The scopes of the token.
    pub scopes: BTreeSet<String>,
    /// Whether the account holds the role that may do everything.
    pub administrator: bool,
}

impl Authority {
    /// The first of a role's scopes that is out of reach.
    ///
    /// Who holds a scope may give it. An administrator may give those of other services too, which no
    /// role holds before somebody has made one; those of `admin` itself must be in the token, so that one
    /// that was narrowed stays narrow.
    pub fn lacks<'r>(&self, role: &'r Scopes, admin: &Scopes) -> Option<&'r Scope> {
        role.iter().find(|scope| {
            let free = self.administrator && !admin.contains(scope);
            !free && !self.scopes.contains(scope.as_str())
        })
    }

    /// The first of somebody's scopes that allows something here and is not the caller's. Those of other services
    /// mean nothing here: who keeps the accounts of an application need not hold what its people hold.
    pub fn outranked_by<'r>(
        &self,
        mut scopes: impl Iterator<Item = &'r Scope>,
        admin: &Scopes,
    ) -> Option<&'r Scope> {
        scopes.find(|scope| admin.contains(scope) && !self.scopes.contains(scope.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(words: &[&str]) -> Scopes {
        words
            .iter()
            .map(|word| Scope::parse(word).unwrap())
            .collect()
    }

    fn authority(words: &[&str], administrator: bool) -> Authority {
        Authority {
            scopes: words.iter().map(ToString::to_string).collect(),
            administrator,
        }
    }

    #[test]
    fn scopes_are_words_with_colons_or_dots() {
        for good in [
            "users:read",
            "a",
            "orders.items:write",
            "service-accounts:read",
            "x1",
        ] {
            assert!(Scope::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "", ":", "a:", ":a", "a..b", "A", "a b", "1a", "a\"b", "ä", "a\n", "-", &long,
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_for_services_is_never_for_roles() {
        for reserved in [
            "portico.internal",
            "portico",
            "portico:x",
            "portico.internal.x",
        ] {
            assert!(Scope::parse(reserved).is_err(), "{reserved}");
        }
        assert!(Scope::parse("porticos:read").is_ok());
    }

    #[test]
    fn nobody_gives_what_they_do_not_hold() {
        let admin = scopes(&["users:read", "users:write"]);
        let role = scopes(&["orders:read", "users:read"]);
        let lacks = |authority: &Authority| authority.lacks(&role, &admin).map(Scope::to_string);
        assert_eq!(
            lacks(&authority(&["orders:read", "users:read"], false)),
            None
        );
        assert_eq!(
            lacks(&authority(&["users:read"], false)).as_deref(),
            Some("orders:read")
        );
        assert_eq!(lacks(&authority(&["users:read"], true)), None);
        // A narrowed token stays narrow.
        assert_eq!(
            lacks(&authority(&["roles:write"], true)).as_deref(),
            Some("users:read")
        );
    }
}
