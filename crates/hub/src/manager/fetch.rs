//! `get_service`: fetches a service from its owner, for the caller to use directly.

use hypha_rpc::{RemoteFailure, Value};

use super::case::{Case, convert_keys};
use super::find::{is_manager, timeout};
use super::{Manager, Result};
use crate::caller::Caller;

/// Seconds that the owner has to answer, when nothing else is asked for.
const FETCH_TIMEOUT: f64 = 10.0;

impl Manager {
    pub(super) async fn fetch(&self, caller: &Caller, id: &str, config: Option<&Value>) -> Result<Value> {
        let case = match config
            .and_then(|config| config.get("case_conversion"))
            .and_then(Value::as_str)
        {
            Some(word) => Some(Case::parse(word)?),
            None => None,
        };
        let mut service = if is_manager(id) {
            let manager = self
                .hub
                .manager()
                .and_then(|manager| manager.peer().service_value("default"));
            manager.ok_or_else(|| RemoteFailure::runtime("The server is shutting down"))?
        } else {
            self.fetch_from_owner(caller, id, config).await?
        };
        if let Some(case) = case {
            convert_keys(&mut service, case);
        }
        Ok(service)
    }

    async fn fetch_from_owner(&self, caller: &Caller, id: &str, config: Option<&Value>) -> Result<Value> {
        let record = self.find(caller, id, config).await?;
        let address = format!("{}/{}", record.workspace, record.client);
        let name = Value::from(&*record.name);
        let timeout = timeout(config, "timeout", FETCH_TIMEOUT);
        let answer = self
            .hub
            .call_client(&address, "built-in", "get_service", vec![name], timeout)
            .await;
        let mut service = match answer {
            Ok(service) => service,
            Err(_)
                if self
                    .hub
                    .workspace(record.workspace.as_str())
                    .and_then(|ws| ws.peer(&record.client))
                    .is_none() =>
            {
                let text = format!("Client disconnected while retrieving service: {}", record.id());
                return Err(RemoteFailure::connection(text));
            }
            Err(error) => {
                return Err(RemoteFailure::runtime(format!(
                    "Failed to get service {}: {error}",
                    record.id()
                )));
            }
        };
        if !matches!(service, Value::Map(_)) {
            return Err(RemoteFailure::runtime(format!(
                "Client {address} answered with something that is no service"
            )));
        }
        qualify(&mut service, record.workspace.as_str());
        service.insert("id", record.id());
        let mut config = match service.get("config") {
            Some(config @ Value::Map(_)) => config.clone(),
            _ => Value::empty_map(),
        };
        let (base, workspace) = (&self.hub.options().public_base_url, &record.workspace);
        config.insert("workspace", workspace.as_str());
        config.insert(
            "url",
            format!("{base}/{workspace}/services/{}:{}", record.client, record.name),
        );
        service.insert("config", config);
        Ok(service)
    }
}

/// Makes the targets of functions absolute: the owner's workspace is not the receiver's.
fn qualify(value: &mut Value, workspace: &str) {
    let absolute = |target: &mut String| {
        if !target.contains('/') {
            *target = format!("{workspace}/{target}");
        }
    };
    match value {
        Value::Method(method) => absolute(&mut method.target),
        Value::Generator(generator) => absolute(&mut generator.target),
        Value::List(items) | Value::Set(items) => items.iter_mut().for_each(|item| qualify(item, workspace)),
        Value::Map(entries) | Value::IoStream(entries) => {
            entries
                .iter_mut()
                .for_each(|(_, entry)| qualify(entry, workspace));
        }
        _ => {}
    }
}
