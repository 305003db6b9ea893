//! The functions of a start-up file that decide about tokens, as an identity provider of the hub.
//!
//! Nothing is remembered: what a function says about a token may change at any time. While the process is gone, whatever
//! one of its functions would decide is refused.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hypha_hub::auth::{AuthError, IdentityProvider, RequestHead, UserInfo};
use parking_lot::RwLock;
use serde_json::{Map, Value, json};

use crate::link::{Link, NoAnswer};
use crate::message::Function;

/// Longest token that a function may make or find, in bytes: what the hub accepts.
const MAX_TOKEN_LEN: usize = 32 * 1024;

#[derive(Default)]
struct State {
    functions: Vec<Function>,
    /// `None` while the process that has the functions is gone.
    link: Option<Arc<Link>>,
}

/// See the module documentation.
#[derive(Default)]
pub(crate) struct Provider(RwLock<State>);

impl Provider {
    /// From now on these functions decide, behind this link.
    pub(crate) fn set(&self, functions: Vec<Function>, link: Arc<Link>) {
        *self.0.write() = State {
            functions,
            link: Some(link),
        };
    }

    /// The process is gone, and what its functions decide is refused until there is another.
    pub(crate) fn detach(&self) {
        self.0.write().link = None;
    }

    /// All functions have run. If none of them decides about tokens any more, the hub does again.
    pub(crate) fn settle(&self) {
        let mut state = self.0.write();
        if state.link.is_none() {
            state.functions.clear();
        }
    }

    fn has(&self, function: Function) -> bool {
        self.0.read().functions.contains(&function)
    }

    /// The answer of a function; `None` when there is no such function.
    async fn ask(&self, what: Function, arguments: Value) -> Option<Result<Value, NoAnswer>> {
        let link = {
            let state = self.0.read();
            if !state.functions.contains(&what) {
                return None;
            }
            state.link.clone()
        };
        let arguments = match arguments {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Some(match link {
            Some(link) => link.ask(what, arguments).await,
            None => Err(NoAnswer::Gone("it is not running")),
        })
    }
}

fn unavailable(why: &str) -> AuthError {
    AuthError::Unavailable(format!("the authentication provider is asked, and {why}"))
}

impl IdentityProvider for Provider {
    fn parse_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<UserInfo>, AuthError>> {
        async move {
            match self.ask(Function::Parse, json!({"token": token})).await {
                None => Ok(None),
                Some(Ok(user)) => serde_json::from_value(user).map(Some).map_err(|error| {
                    tracing::warn!(%error, "parse_token has returned something that is no user");
                    AuthError::Provider("The authentication provider has returned no valid user".into())
                }),
                Some(Err(NoAnswer::Refused(text))) => Err(AuthError::Provider(text)),
                Some(Err(NoAnswer::Gone(why))) => Err(unavailable(why)),
            }
        }
        .boxed()
    }

    fn generate_token<'a>(
        &'a self,
        user: &'a UserInfo,
        expires_in: u64,
    ) -> BoxFuture<'a, Result<Option<String>, AuthError>> {
        async move {
            let arguments = json!({"user": user, "expires_in": expires_in});
            match self.ask(Function::Generate, arguments).await {
                None => Ok(None),
                Some(Ok(Value::String(token))) if token.len() <= MAX_TOKEN_LEN => Ok(Some(token)),
                Some(Ok(_)) => Err(AuthError::Sign("the authentication provider made no text".into())),
                Some(Err(NoAnswer::Refused(text))) => Err(AuthError::Sign(text)),
                Some(Err(NoAnswer::Gone(why))) => Err(unavailable(why)),
            }
        }
        .boxed()
    }

    fn reads_requests(&self) -> bool {
        self.has(Function::Find)
    }

    fn get_token<'a>(&'a self, request: &'a RequestHead) -> BoxFuture<'a, Result<Option<String>, AuthError>> {
        async move {
            // Bytes become the characters of the same numbers, and bytes again on the other side.
            let text = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
            let headers: Vec<_> = request
                .headers
                .iter()
                .map(|(name, value)| (name, text(value)))
                .collect();
            let arguments = json!({
                "method": request.method, "raw_path": request.path, "query": request.query, "headers": headers,
            });
            match self.ask(Function::Find, arguments).await {
                None => Ok(None),
                Some(Ok(Value::String(token))) if token.len() <= MAX_TOKEN_LEN => Ok(Some(token)),
                Some(Ok(_)) => Ok(None),
                Some(Err(NoAnswer::Refused(text))) => Err(AuthError::Provider(text)),
                Some(Err(NoAnswer::Gone(why))) => Err(unavailable(why)),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_is_anybody_while_the_process_is_gone() {
        let provider = Provider::default();
        assert_eq!(
            provider.parse_token("x").await,
            Ok(None),
            "no function, no opinion"
        );
        provider.0.write().functions = vec![Function::Parse, Function::Find];
        let refused = |result: Result<(), AuthError>| {
            assert!(matches!(result, Err(AuthError::Unavailable(_))), "{result:?}");
        };
        refused(provider.parse_token("x").await.map(drop));
        let request = RequestHead {
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            headers: Vec::new(),
        };
        assert!(provider.reads_requests());
        refused(provider.get_token(&request).await.map(drop));
        assert_eq!(provider.generate_token(&UserInfo::new("x"), 1).await, Ok(None));
        provider.settle();
        assert_eq!(provider.parse_token("x").await, Ok(None));
    }
}
