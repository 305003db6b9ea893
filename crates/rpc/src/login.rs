//! Logging in as a person: the server gives an address, the person opens it in a browser, the client gets a token.
//!
//! The client's side of the service `public/hypha-login`. It connects without a token, for as long as it takes.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use hypha_wire::Value;
use serde::Deserialize;

use crate::args;
use crate::client::{Client, Connect, RemoteService, connect};
use crate::error::{Error, ErrorKind};

/// The login service of every server.
const LOGIN_SERVICE: &str = "public/hypha-login";
/// How the connection calls itself.
const CLIENT_NAME: &str = "initial login client";
/// How much later than agreed the answer of the login service may come.
const GRACE: Duration = Duration::from_secs(10);

type Show = Box<dyn FnOnce(&LoginPrompt) + Send>;

/// What a person needs to log in.
#[derive(Deserialize)]
pub struct LoginPrompt {
    /// The page to open in a browser.
    pub login_url: String,
    /// Names this login. Whoever has it can fetch the token, once.
    pub key: String,
    /// Where another program can report the token, instead of the page.
    #[serde(default)]
    pub report_url: Option<String>,
    /// Where the token can be asked for over HTTP.
    #[serde(default)]
    pub check_url: Option<String>,
}

impl fmt::Debug for LoginPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginPrompt").finish_non_exhaustive()
    }
}

/// The result of a login. What the server does not tell is `None`.
#[derive(Deserialize)]
pub struct UserToken {
    /// The token, for [`Connect::token`].
    pub token: String,
    /// The only workspace that the token opens, if it is for one.
    #[serde(default)]
    pub workspace: Option<String>,
    /// The user's id.
    #[serde(default)]
    pub user_id: Option<String>,
    /// The user's e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether somebody has checked that the address is the user's.
    #[serde(default)]
    pub email_verified: Option<bool>,
    /// The user's full name.
    #[serde(default)]
    pub name: Option<String>,
    /// What the user likes to be called.
    #[serde(default)]
    pub nickname: Option<String>,
    /// The address of a picture.
    #[serde(default)]
    pub picture: Option<String>,
}

impl fmt::Debug for UserToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserToken")
            .field("user_id", &self.user_id)
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

/// A login. Made by [`login`]; awaiting it waits for the person and gives the token.
#[must_use = "nobody is asked to log in before this is awaited"]
pub struct Login {
    connect: Connect,
    service_id: String,
    workspace: Option<String>,
    expires_in: Option<u64>,
    timeout: Duration,
    show: Show,
}

/// Begins to log a person in at the server at `url`. The address of the page goes to standard error, or to
/// [`on_prompt`](Login::on_prompt).
///
/// ```no_run
/// # async fn f() -> Result<(), hypha_rpc::Error> {
/// let url = "https://hypha.example.org";
/// let user = hypha_rpc::login(url).await?;
/// let client = hypha_rpc::connect(url).token(user.token).await?;
/// # Ok(()) }
/// ```
pub fn login(url: impl Into<String>) -> Login {
    Login {
        connect: connect(url).silent().name(CLIENT_NAME),
        service_id: LOGIN_SERVICE.to_owned(),
        workspace: None,
        expires_in: None,
        timeout: Duration::from_secs(60),
        show: Box::new(|prompt| {
            let clean: String = prompt.login_url.chars().filter(|c| !c.is_control()).collect();
            eprintln!("Please open this page in a browser to log in: {clean}");
        }),
    }
}

/// Ends a person's session with the login service of the server at `url`, as far as the server keeps one: gives the
/// address of a page that does it. Tokens stay valid until they expire.
///
/// # Errors
/// There is no server, or it has no log-out.
pub async fn logout(url: impl Into<String>) -> Result<String, Error> {
    let connect = connect(url).silent().name(CLIENT_NAME);
    let base = connect.url.clone();
    let client = connect.await?;
    let answer = ask_logout(&client).await;
    client.disconnect().await;
    Ok(absolute(&base, answer?))
}

async fn ask_logout(client: &Client) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct Answer {
        logout_url: String,
    }
    let service = client.get_service(LOGIN_SERVICE).await?;
    if service.member("logout").is_none() {
        return Err(Error::Config("Logout is not supported by this server".to_owned()));
    }
    let answer: Answer = service.call("logout", (Value::empty_map(),)).await?;
    Ok(answer.logout_url)
}

impl Login {
    /// The workspace that the token shall be for; by default it is the user's own token.
    pub fn workspace(mut self, workspace: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// How long the token shall live, in seconds; the server decides by default.
    pub fn expires_in(mut self, seconds: u64) -> Self {
        self.expires_in = Some(seconds);
        self
    }

    /// How long the person may take; 60 s by default. The server has a limit of its own, usually three minutes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Shows the person the page to open. Called once, while the login waits.
    pub fn on_prompt(mut self, show: impl FnOnce(&LoginPrompt) + Send + 'static) -> Self {
        self.show = Box::new(show);
        self
    }

    /// Another login service than the server's own.
    pub fn service_id(mut self, id: impl Into<String>) -> Self {
        self.service_id = id.into();
        self
    }

    /// Adds a header to the request that opens the connection.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.connect = self.connect.header(name, value);
        self
    }

    async fn run(self) -> Result<UserToken, Error> {
        let url = self.connect.url.clone();
        let limit = self.timeout + GRACE;
        let client = self.connect.clone().await?;
        let client_in_use = client.clone();
        let waited = tokio::time::timeout(limit, async move {
            let service = client_in_use
                .get_service(&self.service_id)
                .call_timeout(limit)
                .await?;
            let mut prompt = start(&service, self.workspace.as_deref(), self.expires_in).await?;
            prompt.login_url = absolute(&url, prompt.login_url);
            (self.show)(&prompt);
            check(&service, &prompt.key, self.timeout).await
        });
        let result = waited.await.unwrap_or_else(|_| {
            Err(Error::Remote {
                kind: ErrorKind::TimeoutError,
                message: format!("Nobody has logged in within {limit:?}"),
                trace: String::new(),
            })
        });
        client.disconnect().await;
        result
    }
}

impl IntoFuture for Login {
    type Output = Result<UserToken, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("url", &self.connect.url)
            .field("workspace", &self.workspace)
            .finish_non_exhaustive()
    }
}

/// Arguments are left out where nothing is asked for: not every provider knows them.
async fn start(
    service: &RemoteService,
    workspace: Option<&str>,
    expires_in: Option<u64>,
) -> Result<LoginPrompt, Error> {
    match (workspace, expires_in) {
        (None, None) => service.call("start", ()).await,
        (Some(workspace), None) => service.call("start", args![workspace = workspace]).await,
        (workspace, expires_in) => {
            let arguments = args![workspace = workspace, expires_in = expires_in];
            service.call("start", arguments).await
        }
    }
}

async fn check(service: &RemoteService, key: &str, timeout: Duration) -> Result<UserToken, Error> {
    let arguments = args![key, timeout = timeout.as_secs(), profile = true];
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Token(String),
        User(UserToken),
    }
    // Providers that know no profile answer with the token alone.
    Ok(match service.call("check", arguments).await? {
        Answer::User(user) => user,
        Answer::Token(token) => UserToken {
            token,
            workspace: None,
            user_id: None,
            email: None,
            email_verified: None,
            name: None,
            nickname: None,
            picture: None,
        },
    })
}

/// Some login services give the path only.
fn absolute(base: &str, url: String) -> String {
    if !url.starts_with('/') || url.starts_with("//") {
        return url;
    }
    let base = base.trim_end_matches('/');
    let base = match base.split_once("://") {
        Some(("ws", rest)) => format!("http://{}", rest.strip_suffix("/ws").unwrap_or(rest)),
        Some(("wss", rest)) => format!("https://{}", rest.strip_suffix("/ws").unwrap_or(rest)),
        _ => base.to_owned(),
    };
    format!("{base}{url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_made_absolute() {
        let page = || "/public/apps/hypha-login/?key=k".to_owned();
        for base in ["https://h/base", "https://h/base/", "wss://h/base/ws"] {
            assert_eq!(
                absolute(base, page()),
                "https://h/base/public/apps/hypha-login/?key=k"
            );
        }
        assert_eq!(absolute("http://h", "https://id/x".into()), "https://id/x");
    }

    #[test]
    fn secrets_are_not_shown() {
        let user: UserToken =
            serde_json::from_str(r#"{"token": "sesame", "user_id": "ada", "workspace": null}"#).unwrap();
        let shown = format!("{user:?}");
        assert!(shown.contains("ada") && !shown.contains("sesame"), "{shown}");
    }
}
