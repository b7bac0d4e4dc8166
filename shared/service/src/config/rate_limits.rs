//! How often requests may come, as it is written: `address:600/1m account:10/1s`, or `none`.

use std::time::Duration;

/// What is accepted, for whoever wrote something else.
pub(super) const ACCEPTED: &str = "none, or address:LIMIT/PERIOD, account:… and client:… with spaces \
                                   between, such as address:600/1m";

/// The most that one limit can say.
const MOST: u32 = 1_000_000_000;
/// The longest period: a day.
const LONGEST: u64 = 24 * 60 * 60;

/// By what requests are told apart when they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The client's address; for IPv6 its network of /64.
    Address,
    /// The account, or the machine, whose token it is.
    Account,
    /// The API key, or the OAuth client, that got the token.
    Client,
}

impl By {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
            Self::Client => "client",
        }
    }
}

/// So many requests in a period, which may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// By what they are counted.
    pub by: By,
    /// How many.
    pub limit: u32,
    /// In which time: whole seconds.
    pub period: Duration,
}

/// Reads the limits of one class; none for `none`.
///
/// # Errors
///
/// What is wrong, in words.
pub fn parse(text: &str) -> Result<Vec<RateLimit>, String> {
    if text.trim() == "none" {
        return Ok(Vec::new());
    }
    let limits = text.split_whitespace().map(|word| {
        limit(word).ok_or_else(|| format!("{word:?} is no limit; accepted: {ACCEPTED}"))
    });
    let limits: Vec<_> = limits.collect::<Result<_, _>>()?;
    if limits.is_empty() {
        return Err(format!("is empty; accepted: {ACCEPTED}"));
    }
    Ok(limits)
}

fn limit(word: &str) -> Option<RateLimit> {
    let (by, rate) = word.split_once(':')?;
    let by = [By::Address, By::Account, By::Client]
        .into_iter()
        .find(|it| it.name() == by)?;
    let (limit, period) = rate.split_once('/')?;
    let limit = limit.parse().ok().filter(|it| (1..=MOST).contains(it))?;
    let unit = period.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => LONGEST,
        _ => return None,
    };
    let count: u64 = period[..period.len() - 1].parse().ok()?;
    let seconds = count.checked_mul(seconds)?;
    let period = Duration::from_secs(seconds);
    // In less than a microsecond nothing comes back.
    let fine = (1..=LONGEST).contains(&seconds) && period.as_micros() >= u128::from(limit);
    fine.then_some(RateLimit { by, limit, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        let limits = parse("address:600/1m  account:10/30s client:7/2h").unwrap();
        let plain: Vec<_> = limits
            .iter()
            .map(|it| (it.by.name(), it.limit, it.period.as_secs()))
            .collect();
        assert_eq!(
            plain,
            [
                ("address", 600, 60),
                ("account", 10, 30),
                ("client", 7, 7200)
            ]
        );
        assert_eq!(parse(" none "), Ok(Vec::new()));
        assert!(parse("account:1/1d").is_ok());
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "600/1m",
            "address:600",
            "address:0/1m",
            "address:-1/1m",
            "address:1/0s",
            "address:1/2d",
            "address:1/m",
            "address:1/1",
            "address:1/1µ",
            "address:2000000/1s",
            "session:1/1s",
            "none address:1/1s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
