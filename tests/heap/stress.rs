//! How long the tests that can go on for ever do so.

/// The variable with the seconds that a stress test takes at least.
const VARIABLE: &str = "STRANDLINE_STRESS_SECONDS";

/// What the variable says.
pub(crate) fn stress_seconds() -> Option<u64> {
    let text = std::env::var(VARIABLE).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{VARIABLE}={text:?}: a number of seconds")))
}
