//! Who may see and call which service.

use hypha_rpc::Visibility;

use crate::auth::Permission;
use crate::caller::Caller;
use crate::registry::{BUILT_IN, ServiceRecord};

/// Whether the caller may get this service when it knows its id.
pub(super) fn may_get(caller: &Caller, record: &ServiceRecord) -> bool {
    match record.visibility {
        Visibility::Public | Visibility::Unlisted => true,
        Visibility::Protected => is_member_or_authorized(caller, record),
    }
}

/// Whether a listing shows this service to the caller.
pub(super) fn may_list(caller: &Caller, record: &ServiceRecord, include_unlisted: bool) -> bool {
    match record.visibility {
        // Who is connected elsewhere is nobody's business, although built-in services are public.
        Visibility::Public => &*record.name != BUILT_IN || is_member(caller, record),
        Visibility::Unlisted => include_unlisted && record.workspace.as_str() == caller.workspace(),
        Visibility::Protected => is_member_or_authorized(caller, record),
    }
}

/// Whether the caller may read the workspace of the service.
pub(super) fn is_member(caller: &Caller, record: &ServiceRecord) -> bool {
    caller.may(record.workspace.as_str(), Permission::Read)
}

fn is_member_or_authorized(caller: &Caller, record: &ServiceRecord) -> bool {
    is_member(caller, record)
        || (record.authorizes(caller.workspace()) && caller.may(caller.workspace(), Permission::Read))
}

/// The info of a service as the caller may see it.
pub(super) fn visible_info(caller: &Caller, record: &ServiceRecord) -> hypha_rpc::Value {
    if is_member(caller, record) {
        record.info()
    } else {
        record.foreign_info()
    }
}
