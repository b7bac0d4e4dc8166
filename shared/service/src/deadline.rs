//! How long the caller of the call that is being served still waits.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most that eight digits can say (gRPC over HTTP/2, "Requests").
const LONGEST: u128 = 99_999_999;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs the work of a call whose caller waits until then. Calls that it makes in the same task end by
/// then as well.
pub(crate) async fn within<F: Future>(deadline: Instant, work: F) -> F::Output {
    DEADLINE.scope(deadline, work).await
}

/// When the call that is being served must be done, if its caller has said.
pub fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// Gives a call that goes out no more time than the one that it serves has left, and says when it must
/// be done.
pub(crate) fn pass_on(headers: &mut HeaderMap) -> Option<Instant> {
    let asked = asked(headers).map(|timeout| Instant::now() + timeout);
    let Some(served) = current() else {
        return asked;
    };
    if asked.is_some_and(|asked| asked <= served) {
        return asked;
    }
    let left = served.saturating_duration_since(Instant::now());
    let left = left.as_micros().div_ceil(1000).min(LONGEST);
    if let Ok(value) = HeaderValue::try_from(format!("{left}m")) {
        headers.insert(&GRPC_TIMEOUT, value);
    }
    Some(served)
}

/// A call's `grpc-timeout`: at most eight digits and a unit (gRPC over HTTP/2, "Requests"). A malformed
/// one counts as none.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(&GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_str(value).unwrap());
        headers
    }

    fn of(value: &str) -> Option<Duration> {
        asked(&headers(value))
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        assert_eq!(of("3H"), Some(Duration::from_hours(3)));
        assert_eq!(of("2M"), Some(Duration::from_mins(2)));
        assert_eq!(of("10S"), Some(Duration::from_secs(10)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("7u"), Some(Duration::from_micros(7)));
        assert_eq!(of("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for malformed in ["", "S", "10", "-1S", "+1S", "1.5S", "123456789S", "1é"] {
            assert_eq!(of(malformed), None, "{malformed}");
        }
    }

    #[tokio::test]
    async fn a_call_gets_no_more_time_than_the_one_that_it_serves() {
        let served = Instant::now() + Duration::from_secs(2);
        within(served, async {
            let mut none = HeaderMap::new();
            assert_eq!(pass_on(&mut none), Some(served));
            assert!(asked(&none).is_some_and(|left| left <= Duration::from_secs(2)));
            let mut long = headers("60S");
            assert_eq!(pass_on(&mut long), Some(served));
            assert!(asked(&long).is_some_and(|left| left <= Duration::from_secs(2)));
            let mut short = headers("100m");
            assert!(pass_on(&mut short).is_some_and(|at| at < served));
            assert_eq!(asked(&short), Some(Duration::from_millis(100)));
        })
        .await;
        let mut outside = HeaderMap::new();
        assert_eq!(pass_on(&mut outside), None);
        assert!(outside.is_empty());
    }
}
