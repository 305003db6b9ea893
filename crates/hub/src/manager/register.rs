//! Registering and unregistering services.

use std::sync::Arc;
use std::time::Duration;

use hypha_rpc::{RemoteFailure, Value};

use super::{Manager, Result};
use crate::auth::Permission;
use crate::caller::Caller;
use crate::events;
use crate::registry::{BUILT_IN, RecordError, Reference, ServiceRecord, SingletonError};

/// How long `setup` of a workspace's `default` service may take.
const SETUP_TIMEOUT: Duration = Duration::from_secs(60);
/// Prefix of interfaces, which belong to one call and are never listed.
const INTERFACE_PREFIX: &str = "_rintf_";

impl Manager {
    pub(super) fn register(&self, caller: &Caller, info: &Value) -> Result<()> {
        caller.require(Permission::ReadWrite)?;
        if !matches!(info, Value::Map(_)) {
            return Err(RemoteFailure::type_error(
                "Argument 'service' must be a map with the info of the service",
            ));
        }
        let connection = caller.connection()?;
        let workspace = &connection.workspace;
        let record = ServiceRecord::from_info(
            info,
            &workspace.id,
            &connection.client,
            caller.user(),
            &connection.user.to_value(),
        )?;
        let local_only = info.get("config").and_then(|config| config.get("_local_only"));
        if local_only == Some(&Value::Bool(true)) || record.name.starts_with(INTERFACE_PREFIX) {
            return Ok(());
        }
        let record = Arc::new(record);
        let is_built_in = &*record.name == BUILT_IN;
        let old = {
            let mut services = workspace.services.write();
            // Under the same lock as the clean-up of the connection: whoever is gone registers nothing.
            let current = workspace
                .connection(&record.client)
                .is_some_and(|one| one.generation == connection.generation);
            if !current {
                return Ok(());
            }
            if !is_built_in {
                let max = self.hub.options().limits.services_per_client;
                let count = services.count_of(&record.client);
                if count >= max {
                    return Err(RemoteFailure::runtime(format!(
                        "Service quota exceeded: client {} already has {count} services (max {max}). Remove unused \
                         services before registering new ones.",
                        connection.address(),
                    )));
                }
                if !services.has_client(&record.client) && !workspace.id.is_protected() {
                    tracing::info!(
                        client = connection.address(),
                        "service of a client without built-in service ignored"
                    );
                    return Ok(());
                }
            }
            services.check_singleton(&record)?;
            services.insert(record.clone())
        };
        match (is_built_in, &old) {
            (true, None) => events::emit_client(workspace, "client_connected", connection.address()),
            (true, Some(_)) => events::emit_client(workspace, "client_updated", connection.address()),
            (false, _) => {
                if old.is_some() {
                    events::emit(workspace, "service_removed", record.info());
                }
                events::emit(workspace, "service_added", record.info());
            }
        }
        let has_setup = || {
            info.get("service_schema")
                .is_some_and(|schema| schema.get("setup").is_some())
        };
        if &*record.name == "default" && old.is_none() && has_setup() {
            self.set_up(connection.address().to_owned());
        }
        Ok(())
    }

    /// Calls `setup` of a new `default` service. What it fails with concerns nobody else.
    fn set_up(&self, address: String) {
        let hub = self.hub.clone();
        self.hub.tasks().spawn(async move {
            if let Err(error) = hub
                .call_client(&address, "default", "setup", vec![], SETUP_TIMEOUT)
                .await
            {
                tracing::info!(client = address, error, "setup of the default service failed");
            }
        });
    }

    pub(super) fn unregister(&self, caller: &Caller, service_id: &str) -> Result<()> {
        caller.require(Permission::ReadWrite)?;
        let reference = Reference::parse(service_id, caller.workspace())?;
        let workspace = caller.current();
        if reference.workspace != caller.workspace() {
            return Err(super::denied(reference.workspace));
        }
        let removed = {
            let mut services = workspace.services.write();
            let found: Vec<_> = services.candidates(&reference).cloned().collect();
            match &found[..] {
                [] => return Err(RemoteFailure::key(format!("Service not found: {service_id}"))),
                [one] => services.remove(&one.client, &one.name),
                many => {
                    let ids: Vec<_> = many.iter().take(3).map(|one| one.id()).collect();
                    let text = format!("Multiple services found for {service_id}, e.g. {ids:?}.");
                    return Err(RemoteFailure::assertion(text));
                }
            }
        };
        if let Some(record) = removed {
            if &*record.name == BUILT_IN {
                let address = format!("{}/{}", record.workspace, record.client);
                events::emit_client(workspace, "client_disconnected", &address);
            } else {
                events::emit(workspace, "service_removed", record.info());
            }
        }
        Ok(())
    }
}

impl From<RecordError> for RemoteFailure {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::NoColon => Self::assertion(error.to_string()),
            _ => Self::value(error.to_string()),
        }
    }
}

impl From<SingletonError> for RemoteFailure {
    fn from(error: SingletonError) -> Self {
        Self::value(error.to_string())
    }
}
