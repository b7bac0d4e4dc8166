//! Request headers that stand for fields of the request: `If-Match` and `Idempotency-Key`.

use actix_web::http::{
    Method,
    header::{HeaderMap, IF_MATCH},
};

use crate::problem::{Fault, Problem};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The etag that the caller wants to change, without its quotes. `*` asks for nothing that a service
/// does not check anyway. A weak tag never matches, and of several only the service could tell which
/// (RFC 9110, section 13.1.1), so both fail; what is no entity tag at all is a malformed request. Reads
/// take no precondition.
pub fn if_match<'r>(method: &Method, headers: &'r HeaderMap) -> Result<Option<&'r str>, Problem> {
    if method.is_safe() {
        return Ok(None);
    }
    let mut sent = headers.get_all(IF_MATCH);
    let Some(first) = sent.next() else {
        return Ok(None);
    };
    let text = first.to_str().map_or("", str::trim);
    if text == "*" && sent.next().is_none() {
        return Ok(None);
    }
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(tag) if !tag.contains('"') && sent.next().is_none() => Ok(Some(tag)),
        _ if text == "*" || is_quoted(text.strip_prefix("W/").unwrap_or(text)) => Err(
            Problem::precondition_failed("If-Match takes exactly one strong entity tag in quotes"),
        ),
        _ => Err(Problem::invalid_field(Fault {
            field: "If-Match".to_owned(),
            description: "must be one strong entity tag in quotes, or *".to_owned(),
        })),
    }
}

fn is_quoted(text: &str) -> bool {
    text.len() > 1 && text.starts_with('"') && text.ends_with('"')
}

/// The key that makes a repetition harmless. Quotes round it are the header's (a structured field), not
/// the key's.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value.to_str().map_or("", str::trim);
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    let visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    if !(1..=128).contains(&key.len()) || !visible {
        return Err(Problem::invalid_field(Fault {
            field: "Idempotency-Key".to_owned(),
            description: "must have 1 to 128 visible ASCII characters".to_owned(),
        }));
    }
    Ok(Some(key))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_static(value);
            map.append(HeaderName::from_static(name), value);
        }
        map
    }

    #[test]
    fn one_strong_tag_is_taken() {
        let sent = headers("if-match", &[r#""abc""#]);
        assert_eq!(if_match(&Method::PATCH, &sent).ok(), Some(Some("abc")));
        assert_eq!(if_match(&Method::GET, &sent).ok(), Some(None));
    }

    #[test]
    fn a_star_asks_for_nothing() {
        let sent = headers("if-match", &["*"]);
        assert_eq!(if_match(&Method::DELETE, &sent).ok(), Some(None));
    }

    #[test]
    fn weak_or_several_tags_fail() {
        let cases: [&[&'static str]; 4] = [
            &[r#"W/"a""#],
            &[r#""a", "b""#],
            &[r#""a""#, r#""b""#],
            &["*", r#""a""#],
        ];
        for values in cases {
            assert_eq!(refused(values), Some(412), "{values:?}");
        }
    }

    #[test]
    fn what_is_no_entity_tag_is_a_malformed_request() {
        for value in ["", "bare", r#"""#, r#""open"#] {
            assert_eq!(refused(&[value]), Some(400), "{value}");
        }
    }

    fn refused(values: &[&'static str]) -> Option<u16> {
        let sent = headers("if-match", values);
        let problem = if_match(&Method::PUT, &sent).err()?;
        Some(problem.status().as_u16())
    }

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        let key = |value| {
            idempotency_key(&headers("idempotency-key", &[value]))
                .ok()
                .flatten()
                .map(str::to_owned)
        };
        assert_eq!(key("k-1").as_deref(), Some("k-1"));
        assert_eq!(key(r#""k-1""#).as_deref(), Some("k-1"));
        for bad in ["", "a b", r#""""#] {
            assert!(
                idempotency_key(&headers("idempotency-key", &[bad])).is_err(),
                "{bad}"
            );
        }
        assert!(idempotency_key(&HeaderMap::new()).ok().flatten().is_none());
    }
}
