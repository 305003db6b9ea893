//! The service `public/<server id>:hypha-login`: what clients' `login()` and `logout()` use, the page, and functions
//! for local accounts.

use std::sync::Arc;

use hypha_hub::Caller;
use hypha_hub::ids::WorkspaceId;
use hypha_rpc::{CallContext, RemoteFailure, ServiceSpec, Value, Visibility};
use serde_json::{Value as Json, json};
use url::form_urlencoded;

use crate::accounts::{AccountError, Change, LocalAccounts, user_of};
use crate::login::Login;
use crate::page;
use crate::sessions::{Asked, Report};
use crate::time::unix_now;

/// The id of the service.
pub(crate) const SERVICE_ID: &str = "hypha-login";
/// Functions that are there with local accounts only.
const LOCAL: [&str; 5] = ["signup", "verify_email", "resend_code", "login", "update_profile"];
/// Longest text that `report` passes on, in bytes.
const MAX_TEXT: usize = 2048;

type Result<T, E = RemoteFailure> = std::result::Result<T, E>;

/// The id under which it can always be reached, also when an operator's service has taken its place: for services that
/// do a part of the work themselves.
const DEFAULT_ID: &str = "hypha-login-default";

/// See the module documentation.
#[derive(Clone)]
pub(crate) struct LoginService {
    login: Arc<Login>,
    id: &'static str,
}

/// The answer of a function for accounts: it says what was wrong instead of failing.
fn answer(done: Result<Json, AccountError>) -> Json {
    match done {
        Ok(Json::Object(mut fields)) => {
            fields.insert("success".into(), true.into());
            Json::Object(fields)
        }
        Ok(_) => json!({"success": true}),
        Err(error) => json!({"success": false, "error": error.to_string()}),
    }
}

fn life(expires_in: Option<i64>) -> Result<Option<u64>> {
    let bad = || RemoteFailure::value("Invalid expires_in: expected a number of seconds above 0");
    let life = expires_in.map(u64::try_from).transpose().map_err(|_| bad())?;
    Ok(life.filter(|seconds| *seconds > 0))
}

impl LoginService {
    /// The service that clients find.
    pub(crate) fn new(login: Arc<Login>) -> Self {
        Self {
            login,
            id: SERVICE_ID,
        }
    }

    /// The same, for other login services only.
    pub(crate) fn as_default(&self) -> Self {
        Self {
            login: self.login.clone(),
            id: DEFAULT_ID,
        }
    }

    fn describe(&self, spec: &mut ServiceSpec) {
        if self.id == DEFAULT_ID {
            spec.config.visibility = Visibility::Unlisted;
        }
        if self.login.accounts.is_none() {
            spec.functions
                .retain(|function| !LOCAL.contains(&&*function.name));
        }
    }

    fn accounts(&self) -> Result<&LocalAccounts, AccountError> {
        self.login.accounts()
    }
}

#[hypha_rpc::service(
    id = self.id,
    name = "Hypha Login",
    service_type = "functions",
    description = "Log in to this server through its login page",
    visibility = "public",
    require_context,
    customize = describe
)]
impl LoginService {
    /// Start a login: returns a key, and the page at which somebody lets its bearer in.
    pub async fn start(
        &self,
        ctx: &CallContext,
        workspace: Option<String>,
        expires_in: Option<i64>,
    ) -> Result<Json> {
        let caller = Caller::of(ctx)?;
        let workspace = workspace.filter(|workspace| !workspace.is_empty());
        let workspace = workspace.as_deref().map(WorkspaceId::parse).transpose();
        let workspace = workspace.map_err(|error| RemoteFailure::value(error.to_string()))?;
        let expires_in = life(expires_in)?;
        let user = caller.user();
        let key = self.login.sessions.start(Asked {
            user: (!user.is_anonymous).then(|| user.id.clone()),
            remote: caller.remote_ip(),
            at: unix_now(),
            workspace: workspace.clone(),
            expires_in,
        })?;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("key", &key);
        if let Some(workspace) = &workspace {
            query.append_pair("workspace", workspace);
        }
        if let Some(expires_in) = expires_in {
            query.append_pair("expires_in", &expires_in.to_string());
        }
        let calls = format!(
            "{}/public/services/{SERVICE_ID}",
            self.login.hub.options().public_base_url
        );
        Ok(json!({
            "login_url": format!("{}?{}", self.login.page_url(), query.finish()),
            "key": key,
            "report_url": format!("{calls}/report"),
            "check_url": format!("{calls}/check"),
            "generate_url": format!("{calls}/generate"),
        }))
    }

    /// Exchange the key of a login for the token, once somebody has confirmed it. Waits up to `timeout` seconds; with 0
    /// it returns null when there is no token yet. With `profile`, returns a map with what is known about the user.
    pub async fn check(
        &self,
        ctx: &CallContext,
        key: String,
        timeout: Option<f64>,
        #[arg(default = false)] profile: bool,
    ) -> Result<Json> {
        let caller = Caller::of(ctx)?;
        let sessions = &self.login.sessions;
        let timeout = timeout.unwrap_or(sessions.life().as_secs_f64());
        let report = if timeout > 0.0 {
            sessions.wait(&key, timeout, || caller.is_gone()).await?
        } else {
            match sessions.take(&key)? {
                Some(report) => report,
                None => return Ok(Json::Null),
            }
        };
        if profile {
            return serde_json::to_value(report).map_err(|error| RemoteFailure::runtime(error.to_string()));
        }
        Ok(report.token.into())
    }

    /// Complete a login with a token, for pages other than the server's own. With `workspace`, a token for it takes the
    /// place of the reported one.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parameters are those that callers know"
    )]
    pub async fn report(
        &self,
        ctx: &CallContext,
        key: String,
        token: String,
        workspace: Option<String>,
        expires_in: Option<i64>,
        email: Option<String>,
        email_verified: Option<bool>,
        name: Option<String>,
        nickname: Option<String>,
        user_id: Option<String>,
        picture: Option<String>,
    ) -> Result<()> {
        let caller = Caller::of(ctx)?;
        for (field, text) in [
            ("email", &email),
            ("name", &name),
            ("nickname", &nickname),
            ("user_id", &user_id),
            ("picture", &picture),
        ] {
            if text.as_ref().is_some_and(|text| text.len() > MAX_TEXT) {
                return Err(RemoteFailure::value(format!(
                    "Invalid {field}: expected at most {MAX_TEXT} bytes"
                )));
            }
        }
        let report = Report {
            token,
            workspace: workspace.filter(|workspace| !workspace.is_empty()),
            expires_in: life(expires_in)?,
            email,
            email_verified,
            name,
            nickname,
            user_id,
            picture,
        };
        self.login.report(&key, report, caller.remote_ip()).await
    }

    /// The login page.
    pub async fn index(&self, ctx: &CallContext, #[arg(default = Value::Nil)] event: Value) -> Result<Value> {
        let caller = Caller::of(ctx)?;
        Ok(page::answer(&self.login, &event, caller.remote_ip()).await)
    }

    /// The page of one's own account: the login page.
    pub async fn profile(&self, #[arg(default = Value::Nil)] event: Value) -> Result<Value> {
        let _ = event;
        Ok(page::redirect(&self.login))
    }

    /// Where to sign out: the page forgets who was signed in with the browser that opens it.
    pub async fn logout(&self, #[arg(default = Value::Nil)] config: Value) -> Result<Json> {
        let _ = config;
        Ok(json!({"logout_url": format!("{}?logout=true&close=true", self.login.page_url())}))
    }

    /// Make an account: a code goes to the e-mail address, which `verify_email` wants.
    pub async fn signup(
        &self,
        ctx: &CallContext,
        name: Option<String>,
        email: Option<String>,
        password: Option<String>,
    ) -> Result<Json> {
        let from = Caller::of(ctx)?.remote_ip();
        let text = Option::unwrap_or_default;
        let (name, email, password) = (text(name), text(email), text(password));
        let done = async {
            let accounts = self.accounts()?;
            let signed = accounts
                .sign_up(&name, &email, &password, from, unix_now())
                .await?;
            let mut fields = json!({"verification_required": true, "email": signed.email});
            if let Some(code) = signed.dev_code {
                fields["dev_code"] = code.into();
            }
            Ok(fields)
        };
        Ok(answer(done.await))
    }

    /// Finish making an account with the code that was mailed.
    pub async fn verify_email(&self, ctx: &CallContext, email: String, code: String) -> Result<Json> {
        let _caller = Caller::of(ctx)?;
        let done = async {
            let account = self.accounts()?.verify(&email, &code, unix_now()).await?;
            Ok(json!({"user_id": account.id, "email": account.email, "email_verified": true}))
        };
        Ok(answer(done.await))
    }

    /// Mail another code.
    pub async fn resend_code(&self, ctx: &CallContext, email: String) -> Result<Json> {
        let from = Caller::of(ctx)?.remote_ip();
        let done = async {
            let signed = self.accounts()?.resend(&email, from, unix_now()).await?;
            let mut fields = json!({"email": signed.email});
            if let Some(code) = signed.dev_code {
                fields["dev_code"] = code.into();
            }
            Ok(fields)
        };
        Ok(answer(done.await))
    }

    /// Get a token for an account, pinned to a workspace if one is named that the account may read. With `key`, the
    /// login with that key is completed too.
    pub async fn login(
        &self,
        ctx: &CallContext,
        email: Option<String>,
        password: Option<String>,
        workspace: Option<String>,
        key: Option<String>,
    ) -> Result<Json> {
        let caller = Caller::of(ctx)?;
        let text = Option::unwrap_or_default;
        let (email, password) = (text(email), text(password));
        let done = async {
            let accounts = self.accounts()?;
            accounts
                .sign_in(&email, &password, caller.remote_ip(), unix_now())
                .await
        };
        let account = match done.await {
            Ok(account) => account,
            Err(error) => return Ok(answer(Err(error))),
        };
        let user = user_of(&account);
        let done = async {
            let workspace = workspace.filter(|workspace| !workspace.is_empty());
            let workspace = workspace.as_deref().map(WorkspaceId::parse).transpose();
            let workspace = workspace.map_err(|error| RemoteFailure::value(error.to_string()))?;
            let (token, _) = self
                .login
                .token_for(&user, workspace.as_ref(), Some(24 * 3600))
                .await?;
            if let Some(key) = key.filter(|key| !key.is_empty()) {
                self.login.complete(&key, &user, (&account).into()).await?;
            }
            let workspace = workspace.map_or_else(|| user.home(), |workspace| workspace.to_string());
            Ok::<_, RemoteFailure>((token, workspace))
        };
        Ok(match done.await {
            Ok((token, workspace)) => answer(Ok(json!({
                "token": token,
                "user_id": account.id,
                "email": account.email,
                "name": account.name,
                "workspace": workspace,
            }))),
            Err(failure) => json!({"success": false, "error": failure.message}),
        })
    }

    /// Change the name or password of an account: one's own, or that of `user_email` with its current password.
    pub async fn update_profile(
        &self,
        ctx: &CallContext,
        name: Option<String>,
        current_password: Option<String>,
        new_password: Option<String>,
        user_email: Option<String>,
    ) -> Result<Json> {
        let caller = Caller::of(ctx)?;
        let change = Change {
            name,
            current_password,
            new_password,
            email: user_email,
        };
        let done = async {
            let accounts = self.accounts()?;
            let account = accounts
                .update(caller.user(), change, caller.remote_ip(), unix_now())
                .await?;
            Ok(json!({"message": "Profile updated successfully", "name": account.name}))
        };
        Ok(answer(done.await))
    }
}
