//! The queue service: first in, first out, one set of queues per workspace. Queues live as long as the workspace is
//! loaded.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hypha_rpc::{CallContext, RemoteFailure, Value};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::auth::Permission;
use crate::caller::Caller;
use crate::hub::Hub;

/// Longest wait of `pop`, in seconds.
const MAX_WAIT: f64 = 300.0;
/// Longest queue name, in bytes.
const MAX_NAME: usize = 128;
/// Queues of one workspace.
const MAX_QUEUES: usize = 10_000;

/// The queues of all workspaces.
#[derive(Default)]
pub(crate) struct Queues(Mutex<HashMap<Box<str>, QueuesByName>>);

#[derive(Default)]
struct QueuesByName {
    queues: HashMap<Box<str>, Arc<Queue>>,
    used: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Queue {
    /// Encoded, so that their size is known.
    items: Mutex<VecDeque<Bytes>>,
    pushed: Notify,
    /// Bytes of all queues of the workspace.
    used: Arc<AtomicUsize>,
}

impl Queue {
    fn pop(&self) -> Option<Value> {
        let item = self.items.lock().pop_front()?;
        self.used.fetch_sub(item.len(), Ordering::Relaxed);
        Some(Value::Encoded(item))
    }
}

impl Queues {
    /// Drops the queues of a workspace that was unloaded or deleted.
    pub(crate) fn forget(&self, workspace: &str) {
        self.0.lock().remove(workspace);
    }

    fn find(&self, workspace: &str, name: &str) -> Option<Arc<Queue>> {
        self.0.lock().get(workspace)?.queues.get(name).cloned()
    }

    fn open(&self, workspace: &str, name: &str) -> Result<Arc<Queue>, RemoteFailure> {
        let mut all = self.0.lock();
        let QueuesByName { queues, used } = all.entry(workspace.into()).or_default();
        if queues.len() >= MAX_QUEUES && !queues.contains_key(name) {
            queues.retain(|_, queue| Arc::strong_count(queue) > 1 || !queue.items.lock().is_empty());
        }
        if queues.len() >= MAX_QUEUES && !queues.contains_key(name) {
            let text = format!("Workspace {workspace} has {MAX_QUEUES} queues already; empty some first");
            return Err(RemoteFailure::runtime(text));
        }
        let new = || {
            Arc::new(Queue {
                used: used.clone(),
                ..Queue::default()
            })
        };
        Ok(queues.entry(name.into()).or_insert_with(new).clone())
    }
}

/// The service `public/<server id>:queue`.
pub(crate) struct QueueService {
    hub: Hub,
}

impl QueueService {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { hub }
    }
}

#[hypha_rpc::service(
    id = "queue",
    name = "Queue service",
    description = "First in, first out task queues of a workspace",
    visibility = "public",
    require_context
)]
impl QueueService {
    /// Append a task to a queue of the current workspace.
    pub async fn push(
        &self,
        ctx: &CallContext,
        queue_name: String,
        task: Value,
    ) -> Result<(), RemoteFailure> {
        let caller = Caller::of(ctx)?;
        caller.require(Permission::ReadWrite)?;
        if !matches!(task, Value::Map(_)) {
            return Err(RemoteFailure::type_error("Argument 'task' must be a map"));
        }
        let queue = self
            .hub
            .queues()
            .open(caller.workspace(), check_name(&queue_name)?)?;
        let mut items = queue.items.lock();
        let max = self.hub.options().limits.queue_entries;
        if items.len() >= max {
            return Err(RemoteFailure::runtime(format!(
                "Queue '{queue_name}' is full: it holds {max} tasks"
            )));
        }
        let task = Bytes::from(hypha_wire::encode(&task));
        let max_bytes = self.hub.options().limits.queue_bytes;
        if queue.used.fetch_add(task.len(), Ordering::Relaxed) + task.len() > max_bytes {
            queue.used.fetch_sub(task.len(), Ordering::Relaxed);
            let text = format!("The queues of this workspace are full: they may hold {max_bytes} bytes");
            return Err(RemoteFailure::runtime(text));
        }
        items.push_back(task);
        drop(items);
        queue.pushed.notify_one();
        Ok(())
    }

    /// Take the oldest task of a queue. Waits up to `timeout` seconds (0 to 300, 0: not at all); null when there is none.
    pub async fn pop(
        &self,
        ctx: &CallContext,
        queue_name: String,
        #[arg(default = 30.0)] timeout: f64,
    ) -> Result<Value, RemoteFailure> {
        let caller = Caller::of(ctx)?;
        caller.require(Permission::ReadWrite)?;
        if !(0.0..=MAX_WAIT).contains(&timeout) {
            return Err(RemoteFailure::value(format!(
                "timeout must be between 0 and {MAX_WAIT} seconds"
            )));
        }
        let queue = self
            .hub
            .queues()
            .open(caller.workspace(), check_name(&queue_name)?)?;
        let take = async {
            loop {
                let pushed = queue.pushed.notified();
                if caller.is_gone() {
                    // The task is for somebody who is still there.
                    queue.pushed.notify_one();
                    return Value::Nil;
                }
                if let Some(item) = queue.pop() {
                    return item;
                }
                pushed.await;
            }
        };
        if timeout == 0.0 {
            return Ok(queue.pop().unwrap_or(Value::Nil));
        }
        Ok(tokio::time::timeout(Duration::from_secs_f64(timeout), take)
            .await
            .unwrap_or(Value::Nil))
    }

    /// How many tasks wait in a queue.
    pub async fn get_length(&self, ctx: &CallContext, queue_name: String) -> Result<usize, RemoteFailure> {
        let caller = Caller::of(ctx)?;
        caller.require(Permission::Read)?;
        let queue = self
            .hub
            .queues()
            .find(caller.workspace(), check_name(&queue_name)?);
        Ok(queue.map_or(0, |queue| queue.items.lock().len()))
    }

    /// The next `n` tasks (1 to 100) that would be popped, without taking them.
    pub async fn peek(
        &self,
        ctx: &CallContext,
        queue_name: String,
        #[arg(default = 1usize)] n: usize,
    ) -> Result<Vec<Value>, RemoteFailure> {
        let caller = Caller::of(ctx)?;
        caller.require(Permission::Read)?;
        if !(1..=100).contains(&n) {
            return Err(RemoteFailure::value("n must be between 1 and 100"));
        }
        let queue = self
            .hub
            .queues()
            .find(caller.workspace(), check_name(&queue_name)?);
        Ok(queue.map_or_else(Vec::new, |queue| {
            queue
                .items
                .lock()
                .iter()
                .take(n)
                .cloned()
                .map(Value::Encoded)
                .collect()
        }))
    }
}

fn check_name(name: &str) -> Result<&str, RemoteFailure> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if starts && name.len() <= MAX_NAME && name.chars().all(legal) {
        return Ok(name);
    }
    let name: String = name.chars().take(MAX_NAME).collect();
    Err(RemoteFailure::value(format!(
        "Invalid queue name: '{name}'. Queue names start with a letter or digit and have up to 128 letters, digits, \
         '_', '-' and '.'."
    )))
}
