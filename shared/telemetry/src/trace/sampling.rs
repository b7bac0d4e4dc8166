//! Which traces are recorded, decided at their beginning (`OTEL_TRACES_SAMPLER`).

use opentelemetry::trace::TraceId;

/// How much of what no caller decided on is recorded when nobody says otherwise.
const DEFAULT_RATIO: f64 = 0.1;

/// Where ids are cut for a ratio: they are compared by their last 63 bits, as every SDK does, so that
/// processes with the same ratio agree.
const WHOLE: u64 = 1 << 63;

/// Why a sampler is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplerError {
    /// There is no sampler of that name.
    #[error(
        "OTEL_TRACES_SAMPLER: `{0}` is unknown; there are always_on, always_off, traceidratio, \
         parentbased_always_on, parentbased_always_off and parentbased_traceidratio"
    )]
    Name(String),
    /// The ratio is none.
    #[error("OTEL_TRACES_SAMPLER_ARG: `{0}` is not a number from 0 to 1")]
    Ratio(String),
}

/// A sampler of the OpenTelemetry specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// Ids below this are taken.
    below: u64,
    /// Whether a caller's decision stands.
    follows_caller: bool,
}

impl Sampling {
    /// Everything, whoever says otherwise.
    #[cfg(test)]
    pub(crate) const ALL: Self = Self {
        below: WHOLE,
        follows_caller: false,
    };

    /// As `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say; without them the caller's decision, and
    /// a tenth of what no caller decided on.
    pub(crate) fn parse(name: Option<&str>, argument: Option<&str>) -> Result<Self, SamplerError> {
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let (share, follows_caller) = match name {
            None => (ratio(argument, DEFAULT_RATIO)?, true),
            Some("always_on") => (1.0, false),
            Some("always_off") => (0.0, false),
            Some("traceidratio") => (ratio(argument, 1.0)?, false),
            Some("parentbased_always_on") => (1.0, true),
            Some("parentbased_always_off") => (0.0, true),
            Some("parentbased_traceidratio") => (ratio(argument, 1.0)?, true),
            Some(other) => return Err(SamplerError::Name(other.to_owned())),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "the share is between 0 and 1"
        )]
        let below = (share * WHOLE as f64) as u64;
        Ok(Self {
            below,
            follows_caller,
        })
    }

    /// Whether a trace is recorded, of which the caller has decided so or not at all.
    pub(crate) fn takes(self, caller: Option<bool>, trace: TraceId) -> bool {
        if let (true, Some(decided)) = (self.follows_caller, caller) {
            return decided;
        }
        let bytes = u128::from_be_bytes(trace.to_bytes());
        let low = bytes & u128::from(u64::MAX);
        low >> 1 < u128::from(self.below)
    }
}

fn ratio(argument: Option<&str>, otherwise: f64) -> Result<f64, SamplerError> {
    let Some(text) = argument.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(otherwise);
    };
    let ratio = text
        .parse()
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| SamplerError::Ratio(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

    use super::*;

    fn share(sampling: Sampling) -> usize {
        let ids = RandomIdGenerator::default();
        (0..10_000)
            .filter(|_| sampling.takes(None, ids.new_trace_id()))
            .count()
    }

    #[test]
    fn a_tenth_is_taken_and_callers_decide_unless_somebody_says_otherwise() {
        let sampling = Sampling::parse(None, None).unwrap();
        assert!((800..1200).contains(&share(sampling)));
        let (low, high) = (TraceId::from(0), TraceId::from(u128::MAX));
        assert!(sampling.takes(None, low) && !sampling.takes(None, high));
        assert!(sampling.takes(Some(true), high) && !sampling.takes(Some(false), low));
    }

    #[test]
    fn samplers_are_those_of_the_specification() {
        let of = |name, argument| share(Sampling::parse(Some(name), argument).unwrap());
        assert_eq!(of("always_on", None), 10_000);
        assert_eq!(of("always_off", None), 0);
        assert_eq!(of("parentbased_always_on", Some("0")), 10_000);
        assert_eq!(of("parentbased_traceidratio", None), 10_000);
        assert_eq!(of("traceidratio", Some("0")), 0);
        assert!((4500..5500).contains(&of("traceidratio", Some("0.5"))));
        let own = Sampling::parse(Some("traceidratio"), Some("0")).unwrap();
        assert!(!own.takes(Some(true), TraceId::from(u128::MAX)));
        let unset = Sampling::parse(None, Some("1")).unwrap();
        assert_eq!(share(unset), 10_000);
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        let unknown = Sampling::parse(Some("sometimes"), None).unwrap_err();
        assert!(
            unknown.to_string().contains("`sometimes` is unknown"),
            "{unknown}"
        );
        for ratio in ["10", "-0.1", "NaN", "a"] {
            let refused = Sampling::parse(None, Some(ratio)).unwrap_err();
            assert!(refused.to_string().contains("from 0 to 1"), "{refused}");
        }
    }
}
