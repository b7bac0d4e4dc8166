//! What is heard, by whom: log lines, recorded spans, and neither of what nobody may read.

use tracing::{Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    EnvFilter,
    filter::{FilterFn, ParseError},
    layer::{Context, Filter},
    registry::LookupSpan,
};

use crate::{trace, waits};

/// Crates that write headers, bodies, connection options or statements into their events below
/// `INFO`. None of that may reach a log or a trace, whatever `RUST_LOG` says.
const TALKATIVE: [&str; 10] = [
    "actix_http",
    "actix_web",
    "h2",
    "hyper",
    "hyper_util",
    "redis",
    "rustls",
    "sea_orm",
    "sqlx",
    "tonic",
];

/// What is logged when `RUST_LOG` does not say: these crates tell at each start, as `INFO`, what nobody
/// asked for.
pub(crate) const DEFAULT: &str = "info,actix_server=warn,sea_orm_migration=warn,sqlx=warn";

/// What is logged, after the directives of `RUST_LOG`. Those that name no level for the rest leave it
/// silent, as everywhere.
pub(crate) fn directives(directives: &str) -> Result<EnvFilter, ParseError> {
    // Somebody's pattern could take longer to match than the rest of a request.
    EnvFilter::builder().with_regex(false).parse(directives)
}

/// Lets log lines through, and of spans those from which lines take an id.
pub(crate) fn lines() -> FilterFn<fn(&Metadata<'_>) -> bool> {
    let filter: fn(&Metadata<'_>) -> bool = |metadata| {
        if metadata.is_span() {
            return metadata.fields().field("request_id").is_some();
        }
        is_discreet(metadata) && metadata.target() != waits::TARGET
    };
    // The hint lets disabled levels be skipped by one comparison.
    FilterFn::new(filter).with_max_level_hint(LevelFilter::TRACE)
}

/// Lets through what belongs to a trace that is recorded: its first span in this process, and what
/// happens below one.
pub(crate) struct Recorded;

impl Recorded {
    fn may(metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO && is_discreet(metadata)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for Recorded {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        Self::may(metadata)
            && (metadata.is_span() && trace::begins() || context.lookup_current().is_some())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if Self::may(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

fn is_discreet(metadata: &Metadata<'_>) -> bool {
    if *metadata.level() <= tracing::Level::INFO {
        return true;
    }
    let root = metadata.target().split("::").next().unwrap_or_default();
    !TALKATIVE.contains(&root)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Which of two lines of a start, and of a warning and a detail, are heard.
    fn heard(filter: &str) -> [bool; 4] {
        let subscriber = tracing_subscriber::registry().with(directives(filter).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            [
                tracing::enabled!(target: "portico_service::process", tracing::Level::INFO),
                tracing::enabled!(target: "sea_orm_migration::migrator", tracing::Level::INFO),
                tracing::enabled!(target: "actix_server::worker", tracing::Level::WARN),
                tracing::enabled!(target: "portico_service::process", tracing::Level::DEBUG),
            ]
        })
    }

    #[test]
    fn a_start_is_quiet_unless_somebody_asks() {
        assert_eq!(heard(DEFAULT), [true, false, true, false]);
        assert_eq!(heard("info"), [true, true, true, false]);
        assert_eq!(heard("debug"), [true, true, true, true]);
        assert_eq!(
            heard("info,sea_orm_migration=off"),
            [true, false, true, false]
        );
        assert!(directives("a=b=c").is_err());
    }
}
