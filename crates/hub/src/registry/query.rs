//! Queries of `list_services`: which services of which workspaces are meant.

use hypha_rpc::Visibility;
use hypha_wire::Value;

use super::record::ServiceRecord;

/// Why a query is refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error(
        "Invalid query keys: {0}; expected visibility, workspace, client_id, service_id (or id), type, app_id"
    )]
    Keys(String),
    #[error("Only one of 'id' and 'service_id' can be given")]
    BothIds,
    #[error("Invalid characters in query part: {0}")]
    Characters(String),
    #[error("App id mismatch: {0} != {1}")]
    AppMismatch(String, String),
    #[error("Query part '{0}' must be a string")]
    NotText(String),
    #[error("The query must be null, a string or a map")]
    Form,
}

/// A text with `*` for any run of characters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern(String);

impl Pattern {
    fn any() -> Self {
        Self("*".into())
    }

    /// The exact text that is meant, if it is one.
    pub(crate) fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&*self.0)
    }

    /// Whether the whole of `text` fits.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else {
            return self.0 == text;
        };
        let Some(mut text) = text.strip_prefix(head) else {
            return false;
        };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let tail = parts.pop().unwrap_or("");
        for part in parts {
            let Some(at) = text.find(part) else { return false };
            text = &text[at + part.len()..];
        }
        text.ends_with(tail)
    }
}

/// A parsed query.
#[derive(Debug, PartialEq)]
pub(crate) struct Query {
    /// `None` for all workspaces.
    pub(crate) workspace: Option<String>,
    pub(crate) visibility: Option<Pattern>,
    pub(crate) client: Pattern,
    pub(crate) service: Pattern,
    pub(crate) kind: Option<Pattern>,
    pub(crate) app: Option<Pattern>,
}

impl Query {
    /// Parses the `query` argument; `current` is the caller's workspace.
    pub(crate) fn parse(query: &Value, current: &str) -> Result<Self, QueryError> {
        let mut parts = Parts::default();
        match query {
            Value::Nil => {}
            Value::Str(text) => parts.read_text(text),
            Value::Map(entries) => parts.read_map(entries)?,
            _ => return Err(QueryError::Form),
        }
        parts.finish(current)
    }

    /// Whether a service fits, apart from its workspace and from what the caller may see.
    pub(crate) fn matches(&self, record: &ServiceRecord) -> bool {
        let fits =
            |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_none_or(|one| one.matches(text));
        self.service.matches(&record.name)
            && self.client.matches(&record.client)
            && fits(&self.visibility, record.visibility.as_str())
            && fits(&self.kind, &record.kind)
            && fits(&self.app, &record.app_id)
    }

    /// A workspace with `*` in it.
    pub(crate) fn workspace_pattern(text: &str) -> Pattern {
        Pattern(text.to_owned())
    }

    /// Whether the query asks for services that other workspaces never list.
    pub(crate) fn asks_for_hidden(&self) -> bool {
        let hidden = [Visibility::Protected, Visibility::Unlisted].map(Visibility::as_str);
        self.visibility
            .as_ref()
            .and_then(Pattern::exact)
            .is_some_and(|word| hidden.contains(&word))
    }
}

#[derive(Default)]
struct Parts {
    visibility: Option<String>,
    workspace: Option<String>,
    client: Option<String>,
    service: Option<String>,
    kind: Option<String>,
    app: Option<String>,
}

impl Parts {
    /// `W`, `W/S`, `W/C:S`, `C:S`, `*/S`, `*/C:S`.
    fn read_text(&mut self, text: &str) {
        match text.split_once('/') {
            Some((workspace, local)) => {
                if workspace == "*" {
                    // The string form does not span workspaces: `*` is the caller's own, public services only.
                    self.visibility = Some("public".into());
                } else {
                    self.workspace = Some(workspace.into());
                }
                self.read_local(local);
            }
            None if text.contains(':') => self.read_local(text),
            None => self.workspace = Some(text.into()),
        }
    }

    fn read_local(&mut self, local: &str) {
        match local.split_once(':') {
            Some((client, service)) => {
                self.client = Some(client.into());
                self.service = Some(service.into());
            }
            None => self.service = Some(local.into()),
        }
    }

    fn read_map(&mut self, entries: &[(String, Value)]) -> Result<(), QueryError> {
        let mut unknown = Vec::new();
        for (key, value) in entries {
            let slot = match key.as_str() {
                "visibility" => &mut self.visibility,
                "workspace" => &mut self.workspace,
                "client_id" => &mut self.client,
                "service_id" | "id" => {
                    if self.service.is_some() {
                        return Err(QueryError::BothIds);
                    }
                    &mut self.service
                }
                "type" => &mut self.kind,
                "app_id" => &mut self.app,
                _ => {
                    unknown.push(format!("'{key}'"));
                    continue;
                }
            };
            *slot = match value {
                Value::Nil => None,
                Value::Str(text) => Some(text.clone()),
                _ => return Err(QueryError::NotText(key.clone())),
            };
        }
        if unknown.is_empty() {
            Ok(())
        } else {
            Err(QueryError::Keys(format!("{{{}}}", unknown.join(", "))))
        }
    }

    fn finish(mut self, current: &str) -> Result<Query, QueryError> {
        if let Some(service) = self.service.take() {
            self.service = Some(match service.split_once('@') {
                None => service,
                Some((service, app)) => {
                    if let Some(other) = self.app.as_ref().filter(|other| *other != app) {
                        return Err(QueryError::AppMismatch(other.clone(), app.into()));
                    }
                    self.app = Some(app.into());
                    service.into()
                }
            });
            // `W/C:S` and `C:S` are accepted as the id of the map form, too.
            if let Some(full) = self.service.clone().filter(|id| id.contains(['/', ':'])) {
                self.service = None;
                let app_and_kind = (self.app.take(), self.kind.take(), self.visibility.take());
                let (workspace, client) = (self.workspace.take(), self.client.take());
                self.read_text(&full);
                (self.app, self.kind) = (app_and_kind.0, app_and_kind.1);
                self.visibility = app_and_kind.2.or(self.visibility);
                self.workspace = workspace.or(self.workspace);
                self.client = client.or(self.client);
            }
        }
        for part in [
            &self.visibility,
            &self.workspace,
            &self.client,
            &self.service,
            &self.app,
        ]
        .into_iter()
        .flatten()
        {
            let legal = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '|' | '*' | '.' | '#');
            if !part.chars().all(legal) {
                return Err(QueryError::Characters(part.chars().take(128).collect()));
            }
        }
        let workspace = self.workspace.unwrap_or_else(|| current.into());
        Ok(Query {
            workspace: (workspace != "*").then_some(workspace),
            visibility: self.visibility.filter(|word| word != "*").map(Pattern),
            client: self.client.map_or_else(Pattern::any, Pattern),
            service: self.service.map_or_else(Pattern::any, Pattern),
            kind: self.kind.map(Pattern),
            app: self.app.filter(|app| app != "*").map(Pattern),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Option<String>, String, String, Option<Pattern>) {
        let query = Query::parse(&text.into(), "ws-me").unwrap();
        (query.workspace, query.client.0, query.service.0, query.visibility)
    }

    #[test]
    fn text_forms() {
        let own = || Some("ws-me".to_owned());
        let any = || "*".to_owned();
        assert_eq!(parse("ws-b"), (Some("ws-b".into()), any(), any(), None));
        assert_eq!(parse("*"), (None, any(), any(), None));
        assert_eq!(parse("ws-b/s"), (Some("ws-b".into()), any(), "s".into(), None));
        assert_eq!(
            parse("ws-b/c:s"),
            (Some("ws-b".into()), "c".into(), "s".into(), None)
        );
        assert_eq!(parse("c:s"), (own(), "c".into(), "s".into(), None));
        assert_eq!(
            parse("*/s"),
            (own(), any(), "s".into(), Some(Pattern("public".into())))
        );
    }

    #[test]
    fn map_forms_and_their_errors() {
        let map = |entries: &[(&str, &str)]| {
            let entries = entries
                .iter()
                .map(|(k, v)| ((*k).to_owned(), Value::from(*v)))
                .collect();
            Query::parse(&Value::Map(entries), "ws-me")
        };
        let query = map(&[("id", "s@app"), ("type", "t")]).unwrap();
        assert_eq!(
            (query.service.0.as_str(), query.app),
            ("s", Some(Pattern("app".into())))
        );
        assert_eq!(map(&[("id", "a"), ("service_id", "b")]), Err(QueryError::BothIds));
        assert_eq!(map(&[("nope", "a")]), Err(QueryError::Keys("{'nope'}".into())));
        assert!(matches!(
            map(&[("id", "s@a"), ("app_id", "b")]),
            Err(QueryError::AppMismatch(..))
        ));
        assert!(matches!(map(&[("id", "s?")]), Err(QueryError::Characters(_))));
    }

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("a*c", vec!["ac", "abc", "abcc"], vec!["a", "ab", "xac"]),
            ("*", vec!["", "x"], vec![]),
            ("*b*", vec!["b", "abc"], vec!["", "ac"]),
            ("a*b*b", vec!["abb", "axbxb"], vec!["ab"]),
            ("a.c", vec!["a.c"], vec!["abc"]),
        ] {
            let pattern = Pattern(pattern.into());
            assert!(yes.iter().all(|text| pattern.matches(text)), "{pattern:?}");
            assert!(!no.iter().any(|text| pattern.matches(text)), "{pattern:?}");
        }
    }
}
