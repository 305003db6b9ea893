//! To the external issuer and back.

use super::response::Response;
use super::view::Note;
use super::{Visit, show};
use crate::issuer::FlowError;

/// The cookie that binds a sign-in at the issuer to the browser.
const FLOW_COOKIE: &str = "hypha_login_flow";
/// How long it is kept, in seconds.
const FLOW_LIFE: u64 = 600;

impl Visit<'_> {
    /// Sends the browser to the issuer.
    pub(super) async fn leave(&self) -> Response {
        let Some(issuer) = &self.login.issuer else {
            return self.problem(404, "This server has no external sign-in.");
        };
        let key = self.request.key().map(str::to_owned);
        if key
            .as_deref()
            .is_some_and(|key| self.login.sessions.asked(key).is_none())
        {
            return self.problem(404, show::ENDED);
        }
        match issuer.start(key, &self.login.page_url()).await {
            Ok(started) => Response::redirect(303, started.url.as_str()).cookie(self.cookie(
                FLOW_COOKIE,
                &started.browser,
                FLOW_LIFE,
                "; HttpOnly",
            )),
            Err(error) => {
                tracing::warn!(%error, "the external issuer cannot be used");
                let text = "The sign-in service does not answer at the moment. Try again later.";
                self.front(502, Some(Note::Bad(text)), "")
            }
        }
    }

    /// Takes up somebody who is back from the issuer: they are signed in with this browser, and are asked whether to
    /// let the program in. Coming back is not a confirmation: the issuer may have asked for nothing at all.
    pub(super) async fn returned(&self) -> Response {
        let Some(issuer) = &self.login.issuer else {
            return self.problem(404, "This server has no external sign-in.");
        };
        let query = |name| self.request.query(name);
        let state = query("state").unwrap_or_default();
        let browser = self.request.headers.cookie(FLOW_COOKIE).unwrap_or_default();
        let code = query("code").filter(|_| query("error").is_none());
        match issuer.finish(state, code, browser, &self.login.page_url()).await {
            Ok((key, Some(user))) => {
                let query = key.map(|key| format!("?key={key}")).unwrap_or_default();
                let response = Response::redirect(303, &format!("{}{query}", self.path()))
                    .cookie(self.cookie(FLOW_COOKIE, "", 0, "; HttpOnly"));
                // A token of this server takes the place of the issuer's, with a life of its own.
                let user = hypha_hub::auth::UserInfo {
                    expires_at: None,
                    ..user
                };
                match self.remember(response, &user, None).await {
                    Ok(response) => response,
                    Err(failure) => self.problem(500, &failure.message),
                }
            }
            Ok((_, None)) => self.problem(403, "The sign-in service did not let you in."),
            Err(error @ FlowError::State) => self.problem(400, &error.to_string()),
            Err(error @ FlowError::Issuer(_)) => {
                if let FlowError::Issuer(cause) = &error {
                    tracing::warn!(%cause, "a sign-in at the external issuer failed");
                }
                self.problem(502, &error.to_string())
            }
        }
    }
}
