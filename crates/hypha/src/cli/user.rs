//! Who the user is, as a server sees it.

use chrono::{DateTime, Local, Utc};
use serde_json::Value as Json;

use super::output::harmless;

/// A user.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct User {
    /// The id; an anonymous user has one for a single connection.
    pub(super) id: String,
    /// The e-mail address.
    pub(super) email: Option<String>,
    /// Whether nobody knows who it is.
    pub(super) is_anonymous: bool,
    /// When the credential expires, in seconds since 1970.
    pub(super) expires_at: Option<i64>,
}

impl User {
    /// Reads the record that a server gives a client about itself.
    pub(super) fn of(record: &Json) -> Self {
        let text = |key: &str| record.get(key).and_then(Json::as_str).map(harmless);
        Self {
            id: text("id").unwrap_or_default(),
            email: text("email"),
            is_anonymous: record
                .get("is_anonymous")
                .and_then(Json::as_bool)
                .unwrap_or(false),
            expires_at: record
                .get("expires_at")
                .and_then(Json::as_f64)
                .map(|seconds| seconds as i64),
        }
    }

    /// The user for people: `ada <ada@example.org>`.
    pub(super) fn name(&self) -> String {
        match &self.email {
            Some(email) if *email != self.id => format!("{} <{email}>", self.id),
            _ => self.id.clone(),
        }
    }
}

/// A time for people, in the time zone of this machine; `seconds` are since 1970.
pub(super) fn time_text(seconds: i64) -> String {
    match DateTime::<Utc>::from_timestamp(seconds, 0) {
        Some(time) => time.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string(),
        None => "the end of time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records() {
        let user = User::of(&json!({
            "id": "ada\u{1b}", "email": "ada@example.org", "is_anonymous": false, "expires_at": 1795470947.0,
        }));
        assert_eq!(user.name(), "ada\u{fffd} <ada@example.org>");
        assert_eq!(user.expires_at, Some(1_795_470_947));
        assert_eq!(User::of(&json!(null)), User::default());
        assert_eq!(User::of(&json!({"id": "root", "email": null})).name(), "root");
    }
}
