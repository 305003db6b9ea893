//! The event log of a workspace: what users chose to record. Everyone sees their own entries.

use hypha_rpc::{RemoteFailure, Value};
use serde_json::Value as Json;

use super::{Manager, Result};
use crate::auth::Permission;
use crate::caller::Caller;
use crate::durable::{EventQuery, NewEvent};

/// Most entries of one answer.
pub(super) const MAX_PAGE: u32 = 1_000;
/// Longest event type, in bytes.
const MAX_TYPE: usize = 256;
/// Largest data, in bytes of its JSON.
const MAX_DATA: usize = 64 * 1024;

impl Manager {
    pub(super) async fn append_event(&self, caller: &Caller, event_type: &str, data: &Value) -> Result<()> {
        caller.require(Permission::ReadWrite)?;
        if event_type.contains(' ') {
            return Err(RemoteFailure::assertion("Event type must not contain spaces"));
        }
        if event_type.is_empty() || event_type.len() > MAX_TYPE {
            return Err(RemoteFailure::value(format!(
                "Event types have 1 to {MAX_TYPE} bytes"
            )));
        }
        let data = hypha_wire::convert::to_json(data);
        if data.to_string().len() > MAX_DATA {
            return Err(RemoteFailure::value(format!(
                "The data of an event has up to {MAX_DATA} bytes of JSON"
            )));
        }
        let event = NewEvent {
            event_type: event_type.to_owned(),
            workspace: caller.workspace_id().clone(),
            user_id: caller.user().id.clone(),
            timestamp_us: time::now_us(),
            data,
        };
        self.hub.store().append_event(&event).await?;
        Ok(())
    }

    pub(super) async fn event_stats(
        &self,
        caller: &Caller,
        event_type: Option<String>,
        start: Option<Value>,
        end: Option<Value>,
    ) -> Result<Value> {
        let query = query(caller, event_type.as_deref(), start.as_ref(), end.as_ref())?;
        let stats = self.hub.store().event_stats(query).await?;
        let rows = stats.into_iter().map(|(event_type, count)| {
            Value::Map(vec![
                ("event_type".into(), event_type.into()),
                ("count".into(), Value::from(count)),
            ])
        });
        Ok(Value::List(rows.collect()))
    }

    pub(super) async fn events(
        &self,
        caller: &Caller,
        event_type: Option<String>,
        start: Option<Value>,
        end: Option<Value>,
        (limit, offset): (u32, u32),
    ) -> Result<Value> {
        let query = query(caller, event_type.as_deref(), start.as_ref(), end.as_ref())?;
        let records = self
            .hub
            .store()
            .events(query, limit.min(MAX_PAGE), offset)
            .await?;
        let rows = records.into_iter().map(|record| {
            let event = record.event;
            let data: Json = event.data;
            Value::Map(vec![
                ("id".into(), Value::from(record.id)),
                ("event_type".into(), event.event_type.into()),
                ("workspace".into(), event.workspace.as_str().into()),
                ("user_id".into(), event.user_id.into()),
                ("timestamp".into(), time::iso(event.timestamp_us).into()),
                ("data".into(), hypha_wire::to_value(&data).unwrap_or(Value::Nil)),
            ])
        });
        Ok(Value::List(rows.collect()))
    }
}

fn query<'a>(
    caller: &'a Caller,
    event_type: Option<&'a str>,
    start: Option<&Value>,
    end: Option<&Value>,
) -> Result<EventQuery<'a>> {
    caller.require(Permission::Read)?;
    Ok(EventQuery {
        workspace: caller.workspace(),
        user_id: Some(&caller.user().id),
        event_type,
        start_us: bound("start_time", start)?,
        end_us: bound("end_time", end)?,
    })
}

/// A time as ISO 8601 text or as seconds since the Unix epoch; in microseconds.
fn bound(name: &str, value: Option<&Value>) -> Result<Option<i64>> {
    let wrong = || {
        RemoteFailure::value(format!(
            "{name} must be an ISO 8601 time, such as 2025-01-31T12:00:00"
        ))
    };
    match value {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Str(text)) => time::parse(text).map(Some).ok_or_else(wrong),
        Some(other) => other
            .as_f64()
            .map(|seconds| Some((seconds * 1e6) as i64))
            .ok_or_else(wrong),
    }
}

/// Times in the form in which the event log shows them: UTC without a zone.
mod time {
    use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

    pub(super) fn now_us() -> i64 {
        Utc::now().timestamp_micros()
    }

    pub(super) fn iso(us: i64) -> String {
        let time = DateTime::from_timestamp_micros(us)
            .unwrap_or_default()
            .naive_utc();
        time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
    }

    pub(super) fn parse(text: &str) -> Option<i64> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(time.timestamp_micros());
        }
        let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .into_iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(|| {
                NaiveDate::parse_from_str(text, "%Y-%m-%d")
                    .ok()?
                    .and_hms_opt(0, 0, 0)
            })?;
        Some(naive.and_utc().timestamp_micros())
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn times_round_trip_and_zones_are_honoured() {
            let us = parse("2025-01-31T12:00:00.5").unwrap();
            assert_eq!(iso(us), "2025-01-31T12:00:00.500000");
            assert_eq!(parse("2025-01-31T13:00:00.5+01:00"), Some(us));
            assert_eq!(parse("2025-01-31 12:00:00.500000"), Some(us));
            assert_eq!(parse("yesterday"), None);
        }
    }
}
