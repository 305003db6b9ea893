//! From a service id to one service: candidates, access, selection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hypha_rpc::{ActAs, RemoteFailure, Service as _, Value};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::access::{may_get, visible_info};
use super::{Manager, Result};
use crate::caller::Caller;
use crate::registry::{Criterion, Mode, ModeError, Reference, ReferenceError, ServiceRecord};

/// Seconds that candidates have to answer, when nothing else is asked for.
const SELECT_TIMEOUT: f64 = 2.0;
/// Longest time that any of this may be made to wait, in seconds.
const MAX_TIMEOUT: f64 = 600.0;

impl Manager {
    pub(super) async fn service_info(
        &self,
        caller: &Caller,
        id: &str,
        config: Option<&Value>,
    ) -> Result<Value> {
        if is_manager(id) {
            return Ok(self.own_info());
        }
        let record = self.find(caller, id, config).await?;
        Ok(visible_info(caller, &record))
    }

    /// The manager's own info, under the id by which it was asked for.
    fn own_info(&self) -> Value {
        let mut info = self.spec().to_info("*", &self.hub.options().manager_id());
        info.insert("id", "~");
        info.insert("app_id", "*");
        info
    }

    /// The one service that is meant.
    pub(crate) async fn find(
        &self,
        caller: &Caller,
        id: &str,
        config: Option<&Value>,
    ) -> Result<Arc<ServiceRecord>> {
        let reference = Reference::parse(id, caller.workspace())?;
        let mode = match config
            .and_then(|config| config.get("mode"))
            .and_then(Value::as_str)
        {
            Some(word) => Mode::parse(word)?,
            None => Mode::default_for(reference.workspace),
        };
        let found: Vec<Arc<ServiceRecord>> = match self.hub.workspace(reference.workspace) {
            Some(workspace) => workspace
                .services
                .read()
                .candidates(&reference)
                .cloned()
                .collect(),
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(RemoteFailure::key(format!("Service not found: {reference}")));
        }
        let mut candidates: Vec<_> = found
            .into_iter()
            .filter(|record| may_get(caller, record))
            .collect();
        match candidates.len() {
            0 => {
                let workspace = reference.workspace;
                let text = format!("Permission denied for non-public service in workspace {workspace}");
                Err(RemoteFailure::permission(text))
            }
            1 => Ok(candidates.swap_remove(0)),
            _ => {
                self.select(
                    caller,
                    candidates,
                    mode,
                    &reference,
                    timeout(config, "select_timeout", SELECT_TIMEOUT),
                )
                .await
            }
        }
    }

    async fn select(
        &self,
        caller: &Caller,
        candidates: Vec<Arc<ServiceRecord>>,
        mode: Mode,
        reference: &Reference<'_>,
        timeout: Duration,
    ) -> Result<Arc<ServiceRecord>> {
        let gone = || RemoteFailure::key(format!("Service not found: {reference}"));
        match mode {
            Mode::Exact => {
                let ids: Vec<_> = candidates.iter().take(3).map(|one| one.id()).collect();
                Err(RemoteFailure::assertion(format!(
                    "Multiple services found for {reference}, e.g. {ids:?}. You can either specify the mode as 'random', \
                     'first', 'last', 'native:random', or use 'select:criteria:function' format."
                )))
            }
            // Every client is connected to this hub: native is no restriction.
            Mode::Random | Mode::NativeRandom => {
                candidates.choose(&mut rand::rng()).cloned().ok_or_else(gone)
            }
            Mode::First => candidates.into_iter().next().ok_or_else(gone),
            Mode::Last => candidates.into_iter().next_back().ok_or_else(gone),
            Mode::MinLoad => {
                let now = Instant::now();
                let load = |record: &ServiceRecord| {
                    let workspace = self.hub.workspace(record.workspace.as_str());
                    let connection = workspace.and_then(|workspace| workspace.connection(&record.client));
                    connection
                        .and_then(|one| one.load.as_ref().map(|load| load.per_minute(now)))
                        .unwrap_or(0.0)
                };
                let least = candidates.into_iter().min_by(|a, b| load(a).total_cmp(&load(b)));
                least.ok_or_else(gone)
            }
            Mode::Ask(criterion, function) => self
                .ask(candidates, criterion, &function, timeout, caller)
                .await
                .ok_or_else(gone),
        }
    }

    /// Asks all candidates at once, in the caller's name. Those that do not answer with a number in time are
    /// left out; if none does, any is taken.
    async fn ask(
        &self,
        candidates: Vec<Arc<ServiceRecord>>,
        criterion: Criterion,
        function: &str,
        timeout: Duration,
        caller: &Caller,
    ) -> Option<Arc<ServiceRecord>> {
        // The question is the caller's, not the hub's: a service that looks at its caller sees who wants to know.
        let asker = &ActAs {
            workspace: caller.workspace().to_owned(),
            user: caller.user().to_value(),
            from: None,
        };
        let question = |record: Arc<ServiceRecord>| async move {
            let address = format!("{}/{}", record.workspace, record.client);
            let answer = self
                .hub
                .call_client_as(
                    Some(asker.clone()),
                    &address,
                    &record.name,
                    function,
                    vec![],
                    timeout,
                )
                .await;
            let number = match answer.ok()? {
                Value::Float(number) => number,
                Value::Int(number) => number as f64,
                Value::UInt(number) => number as f64,
                Value::Bool(flag) => f64::from(u8::from(flag)),
                Value::Str(text) => text.trim().parse().ok()?,
                _ if criterion == Criterion::FirstSuccess => 0.0,
                _ => return None,
            };
            Some((number, record))
        };
        let answers = join_all(candidates.iter().cloned().map(question)).await;
        let mut answers = answers
            .into_iter()
            .flatten()
            .filter(|(number, _)| !number.is_nan());
        let best = match criterion {
            Criterion::FirstSuccess => answers.next(),
            Criterion::Min => answers.min_by(|a, b| a.0.total_cmp(&b.0)),
            Criterion::Max => answers.max_by(|a, b| a.0.total_cmp(&b.0)),
        };
        best.map(|(_, record)| record).or_else(|| {
            let index = rand::rng().random_range(0..candidates.len());
            candidates.get(index).cloned()
        })
    }
}

/// Whether an id means the manager itself.
pub(super) fn is_manager(id: &str) -> bool {
    id == "~"
        || id
            .strip_suffix("/~")
            .is_some_and(|workspace| !workspace.contains('/'))
}

/// A time in seconds from the config of a call.
pub(super) fn timeout(config: Option<&Value>, key: &str, default: f64) -> Duration {
    let seconds = config
        .and_then(|config| config.get(key))
        .and_then(Value::as_f64)
        .unwrap_or(default);
    Duration::from_secs_f64(if seconds.is_finite() {
        seconds.clamp(0.0, MAX_TIMEOUT)
    } else {
        default
    })
}

impl From<ReferenceError> for RemoteFailure {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Form(_) => Self::value(error.to_string()),
            _ => Self::assertion(error.to_string()),
        }
    }
}

impl From<ModeError> for RemoteFailure {
    fn from(error: ModeError) -> Self {
        Self::value(error.to_string())
    }
}
