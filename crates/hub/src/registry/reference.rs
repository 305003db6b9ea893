//! Service ids as users write them: `[ws/][cid:]sid[@app_id]`.

/// Why a text names no service.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ReferenceError {
    #[error("Invalid service id: {0:?}; expected [workspace/][client:]service[@app]")]
    Form(String),
    #[error(
        "You must specify a workspace for the service query, otherwise please call list_services to find the service."
    )]
    AnyWorkspace,
    #[error("Invalid service id: '*'; name the service, or call list_services to find one.")]
    AnyService,
}

/// A parsed service id. Missing parts mean: the caller's workspace, any client, any app.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reference<'a> {
    pub(crate) workspace: &'a str,
    /// `None` for any client.
    pub(crate) client: Option<&'a str>,
    pub(crate) service: &'a str,
    /// `None` for any app.
    pub(crate) app: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Parses `text`; `current` is the caller's workspace.
    pub(crate) fn parse(text: &'a str, current: &'a str) -> Result<Self, ReferenceError> {
        let form = || ReferenceError::Form(text.chars().take(200).collect());
        let (rest, app) = split_last(text, '@');
        let (workspace, local) = match rest.split_once('/') {
            Some((workspace, local)) => (workspace, local),
            None => (current, rest),
        };
        let (client, service) = match local.split_once(':') {
            Some((client, service)) => (Some(client), service),
            None => (None, local),
        };
        let parts = [Some(workspace), client, Some(service), app];
        let bad = |part: &str| part.is_empty() || part.contains(['/', ':', '@']);
        if parts.into_iter().flatten().any(bad) {
            return Err(form());
        }
        if workspace == "*" {
            return Err(ReferenceError::AnyWorkspace);
        }
        if service == "*" {
            return Err(ReferenceError::AnyService);
        }
        let given = |part: Option<&'a str>| part.filter(|part| *part != "*");
        Ok(Self {
            workspace,
            client: given(client),
            service,
            app: given(app),
        })
    }
}

impl std::fmt::Display for Reference<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (client, app) = (self.client.unwrap_or("*"), self.app.unwrap_or("*"));
        write!(f, "{}/{client}:{}@{app}", self.workspace, self.service)
    }
}

fn split_last(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.rsplit_once(separator) {
        Some((front, back)) => (front, Some(back)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_get_their_defaults() {
        for (text, full) in [
            ("calc", "ws-a/*:calc@*"),
            ("c:calc", "ws-a/c:calc@*"),
            ("*:calc", "ws-a/*:calc@*"),
            ("ws-b/calc", "ws-b/*:calc@*"),
            ("ws-b/c:calc@app", "ws-b/c:calc@app"),
            ("ws-user-github|1/c:calc", "ws-user-github|1/c:calc@*"),
        ] {
            assert_eq!(Reference::parse(text, "ws-a").unwrap().to_string(), full);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "a/b/c", "a:b:c", "/x", "x/", "c:", "@", "a@b@c"] {
            assert!(
                matches!(Reference::parse(text, "w"), Err(ReferenceError::Form(_))),
                "{text}"
            );
        }
        assert_eq!(Reference::parse("*/x", "w"), Err(ReferenceError::AnyWorkspace));
        assert_eq!(Reference::parse("w/*", "w"), Err(ReferenceError::AnyService));
    }
}
