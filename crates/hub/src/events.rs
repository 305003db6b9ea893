//! System events: `{type, to: "*", data}`, sent by the hub to the subscribers of a workspace.

use bytes::Bytes;
use hypha_wire::Value;

use crate::workspace::Workspace;

/// Event names that only the hub sends, and message types that only the hub may use.
const RESERVED: [&str; 13] = [
    "client_connected",
    "client_updated",
    "client_disconnected",
    "service_added",
    "service_updated",
    "service_removed",
    "workspace_loaded",
    "workspace_deleted",
    "workspace_changed",
    "workspace_ready",
    "workspace_unloaded",
    "workspace_status_changed",
    "peer_not_found",
];

/// Whether clients must not send messages of this type.
pub(crate) fn is_reserved(kind: &str) -> bool {
    RESERVED.contains(&kind) || kind == "force-exit"
}

/// Whether anyone may subscribe to this event of their workspace.
pub(crate) fn is_system(kind: &str) -> bool {
    RESERVED.contains(&kind)
}

/// The frame of a system event.
fn frame(kind: &str, data: Value) -> Bytes {
    let event = Value::Map(vec![
        ("type".into(), kind.into()),
        ("to".into(), "*".into()),
        ("data".into(), data),
    ]);
    hypha_wire::encode(&event).into()
}

/// Sends a system event to the subscribers in `workspace`.
pub(crate) fn emit(workspace: &Workspace, kind: &str, data: Value) {
    workspace.broadcast(kind, &frame(kind, data));
}

/// Sends one of the `client_*` events. `id` is the full id or, for `client_disconnected`, the bare one.
pub(crate) fn emit_client(workspace: &Workspace, kind: &str, id: &str) {
    let data = Value::Map(vec![
        ("id".into(), id.into()),
        ("workspace".into(), workspace.id.as_str().into()),
    ]);
    emit(workspace, kind, data);
}
