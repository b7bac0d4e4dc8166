//! Points at which a test lets the whole process die, as a power cut would.
//!
//! A build without debug assertions has none of them: what a released program does cannot hang on a
//! variable of its environment, and its hot path pays nothing. Tests run the real binary of the debug
//! profile, so that what dies and what starts again is the program and not a part of it.

/// Ends the process here, without unwinding, when `PORTICO_CRASH_AT` names this point.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own switch is no configuration"
    )]
    let chosen = std::env::var("PORTICO_CRASH_AT");
    if chosen.is_ok_and(|chosen| chosen == name) {
        tracing::error!(point = name, "ends here, as it was told to");
        std::process::abort();
    }
}

/// Nothing, in a release.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(crate) const fn point(_: &str) {}
