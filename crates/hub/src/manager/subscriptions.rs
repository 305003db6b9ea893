//! Subscriptions of a connection to events of its workspace.

use hypha_rpc::{RemoteFailure, Value};

use super::{Manager, Result};
use crate::caller::Caller;
use crate::events;

/// Longest event name, in bytes.
const MAX_NAME: usize = 256;

impl Manager {
    pub(super) fn add_subscriptions(&self, caller: &Caller, event_type: &Value) -> Result<bool> {
        let types = event_types(event_type)?;
        // All are checked before any is added.
        types
            .iter()
            .try_for_each(|name| check(name, caller.workspace()))?;
        let max = self.hub.options().limits.subscriptions;
        let mut subscriptions = caller.connection()?.subscriptions.lock();
        let new: Vec<Box<str>> = types
            .into_iter()
            .filter(|name| !subscriptions.iter().any(|one| &**one == *name))
            .map(Into::into)
            .collect();
        if subscriptions.len() + new.len() > max {
            return Err(RemoteFailure::runtime(format!(
                "Too many subscriptions: a client may have {max}"
            )));
        }
        subscriptions.extend(new);
        Ok(true)
    }

    pub(super) fn remove_subscriptions(&self, caller: &Caller, event_type: &Value) -> Result<bool> {
        let types = event_types(event_type)?;
        caller
            .connection()?
            .subscriptions
            .lock()
            .retain(|one| !types.contains(&&**one));
        Ok(true)
    }
}

fn event_types(argument: &Value) -> Result<Vec<&str>> {
    let wrong = || RemoteFailure::type_error("Argument 'event_type' must be a string or a list of strings");
    match argument {
        Value::Str(name) => Ok(vec![name]),
        Value::List(names) => names.iter().map(|name| name.as_str().ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

/// Names that start like a workspace are for members of that workspace.
fn check(name: &str, current: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(RemoteFailure::value(format!(
            "Event types have 1 to {MAX_NAME} bytes"
        )));
    }
    if events::is_system(name) {
        return Ok(());
    }
    let workspace = match name.split_once('/') {
        Some((workspace, _)) => workspace,
        None if name.starts_with("ws-") => name.split_once(':').map_or(name, |(workspace, _)| workspace),
        None => return Ok(()),
    };
    if workspace == current {
        return Ok(());
    }
    Err(RemoteFailure::permission(format!(
        "Subscription to event '{name}' is forbidden. Event workspace '{workspace}' does not match your workspace \
         '{current}'. Events of other workspaces cannot be subscribed to."
    )))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn events_of_other_workspaces_are_out_of_reach() {
        for name in [
            "my_event",
            "client_connected",
            "ws-a",
            "ws-a/x",
            "ws-a:x",
            "progress:1",
        ] {
            assert!(check(name, "ws-a").is_ok(), "{name}");
        }
        for name in ["ws-b", "ws-b/x", "ws-b:x", "other/x", ""] {
            assert!(check(name, "ws-a").is_err(), "{name}");
        }
    }
}
