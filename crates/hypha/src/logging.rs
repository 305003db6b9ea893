//! The log: to standard error, at the level of `HYPHA_LOGLEVEL`.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::env::Env;

/// The level when nobody says which. What start-up functions print is what their users want to see.
const DEFAULT: &str = "warn,hypha_startup::output=info";

/// Starts to log. To be called once.
pub(crate) fn start(env: &Env) {
    let asked = env.get("HYPHA_LOGLEVEL").unwrap_or(DEFAULT);
    let parsed = EnvFilter::try_new(level(asked));
    let is_bad = parsed.is_err();
    let filter = parsed.unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
    if is_bad {
        tracing::warn!("HYPHA_LOGLEVEL={asked} is ignored: expected ERROR, WARNING, INFO, DEBUG or TRACE");
    }
}

/// The filter for a level by its name in Python or here; anything else is a filter such as `info,hypha_hub=debug`.
fn level(text: &str) -> &str {
    match text.trim().to_ascii_uppercase().as_str() {
        "CRITICAL" | "FATAL" | "ERROR" => "error",
        "WARNING" | "WARN" => DEFAULT,
        "INFO" => "info",
        "DEBUG" => "debug",
        "NOTSET" | "TRACE" => "trace",
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_levels() {
        for (text, expected) in [
            ("WARNING", DEFAULT),
            ("Critical", "error"),
            ("debug", "debug"),
            ("a=info", "a=info"),
        ] {
            assert_eq!(level(text), expected);
        }
    }
}
