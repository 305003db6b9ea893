//! Limits that have a variable and no flag.

use hypha_gateway::Options as GatewayOptions;
use hypha_hub::Options;

use super::env::Env;

/// Where a number goes.
enum Slot<'a> {
    /// A whole number, at least 1.
    Count(&'a mut usize),
    /// A number above 0.
    Amount(&'a mut f64),
    /// A number, at least 0.
    AmountOrZero(&'a mut f64),
}

fn slots<'a>(options: &'a mut Options, gateway: &'a mut GatewayOptions) -> [(&'static str, Slot<'a>); 19] {
    let limits = &mut options.limits;
    [
        ("HYPHA_WS_IDLE_TIMEOUT", Slot::Amount(&mut limits.idle_timeout)),
        (
            "HYPHA_WS_MSG_RATE_LIMIT",
            Slot::Amount(&mut limits.messages_per_second),
        ),
        (
            "HYPHA_WS_MSG_BURST_LIMIT",
            Slot::Amount(&mut limits.message_burst),
        ),
        (
            "HYPHA_STREAM_IDLE_THRESHOLD",
            Slot::Amount(&mut limits.stream_idle),
        ),
        (
            "HYPHA_STREAM_SWEEP_INTERVAL",
            Slot::Amount(&mut limits.stream_sweep),
        ),
        (
            "HYPHA_STREAM_PING_TIMEOUT",
            Slot::Amount(&mut limits.stream_ping_timeout),
        ),
        (
            "HYPHA_STREAM_MAX_PING_MISSES",
            Slot::Count(&mut limits.stream_ping_misses),
        ),
        ("HYPHA_WS_OUTBOX_BYTES", Slot::Count(&mut limits.outbox_bytes)),
        (
            "HYPHA_MAX_CONCURRENT_CONNECTIONS",
            Slot::Count(&mut limits.concurrent_handshakes),
        ),
        (
            "HYPHA_MAX_CONNECTIONS_PER_USER",
            Slot::Count(&mut limits.connections_per_user),
        ),
        (
            "HYPHA_MAX_CLIENTS_PER_WORKSPACE",
            Slot::Count(&mut limits.clients_per_workspace),
        ),
        (
            "HYPHA_MAX_SERVICES_PER_CLIENT",
            Slot::Count(&mut limits.services_per_client),
        ),
        (
            "HYPHA_MAX_WORKSPACES_PER_USER",
            Slot::Count(&mut limits.workspaces_per_user),
        ),
        (
            "HYPHA_WORKSPACE_UNLOAD_GRACE_PERIOD",
            Slot::AmountOrZero(&mut options.workspace_unload_grace_period),
        ),
        (
            "RECONNECTION_TOKEN_LIFE_TIME",
            Slot::Amount(&mut options.reconnection_token_life_time),
        ),
        (
            "HYPHA_HTTP_RATE_LIMIT",
            Slot::Amount(&mut gateway.rate_limit.per_second),
        ),
        (
            "HYPHA_HTTP_BURST_LIMIT",
            Slot::Count(&mut gateway.rate_limit.burst),
        ),
        (
            "HYPHA_HTTP_AUTHENTICATED_RATE_LIMIT",
            Slot::Amount(&mut gateway.authenticated_rate_limit.per_second),
        ),
        (
            "HYPHA_HTTP_AUTHENTICATED_BURST_LIMIT",
            Slot::Count(&mut gateway.authenticated_rate_limit.burst),
        ),
    ]
}

/// The names of the variables.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    slots(&mut Options::default(), &mut GatewayOptions::default())
        .map(|(name, _)| name)
        .into_iter()
}

/// Puts the numbers of the environment into the options of hub and gateway. Returns what to tell the user about those that are none.
pub(crate) fn apply(options: &mut Options, gateway: &mut GatewayOptions, env: &Env) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, slot) in slots(options, gateway) {
        let Some(text) = env.get(name) else { continue };
        if let Err((expected, kept)) = slot.set(text.trim()) {
            warnings.push(format!(
                "{name}={text} is ignored: expected {expected}; it stays {kept}"
            ));
        }
    }
    warnings
}

impl Slot<'_> {
    /// Takes a number; `Err` says what was expected and what is there.
    fn set(self, text: &str) -> Result<(), (&'static str, String)> {
        let amount = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        match self {
            Self::Count(slot) => match text.parse() {
                Ok(number) if number > 0 => *slot = number,
                _ => return Err(("a whole number above 0", slot.to_string())),
            },
            Self::Amount(slot) => match amount() {
                Some(number) if number > 0.0 => *slot = number,
                _ => return Err(("a number above 0", slot.to_string())),
            },
            Self::AmountOrZero(slot) => match amount() {
                Some(number) if number >= 0.0 => *slot = number,
                _ => return Err(("a number, 0 or above", slot.to_string())),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_nonsense() {
        let (mut options, mut gateway) = (Options::default(), GatewayOptions::default());
        let env = Env::of(&[
            ("HYPHA_WS_IDLE_TIMEOUT", "2.5"),
            ("HYPHA_WS_OUTBOX_BYTES", " 1024 "),
            ("HYPHA_WORKSPACE_UNLOAD_GRACE_PERIOD", "0"),
            ("HYPHA_MAX_CONNECTIONS_PER_USER", "many"),
            ("HYPHA_WS_MSG_RATE_LIMIT", "inf"),
            ("HYPHA_MAX_SERVICES_PER_CLIENT", "0"),
            ("HYPHA_HTTP_RATE_LIMIT", "0.5"),
            ("HYPHA_HTTP_AUTHENTICATED_BURST_LIMIT", "7"),
        ]);
        let warnings = apply(&mut options, &mut gateway, &env);
        assert_eq!(
            (options.limits.idle_timeout, options.limits.outbox_bytes),
            (2.5, 1024)
        );
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert_eq!(
            warnings[1],
            "HYPHA_MAX_CONNECTIONS_PER_USER=many is ignored: expected a whole number above 0; it stays 200"
        );
        assert_eq!(options.limits.services_per_client, 1000);
        assert_eq!(
            (
                gateway.rate_limit.per_second,
                gateway.authenticated_rate_limit.burst
            ),
            (0.5, 7)
        );
    }
}
