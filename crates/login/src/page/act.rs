//! What the forms of the page do.

use hypha_hub::auth::UserInfo;
use hypha_rpc::RemoteFailure;
use url::form_urlencoded;

use super::origin::is_own_page;
use super::response::Response;
use super::view::Note;
use super::{COOKIE, Visit};
use crate::accounts::{AccountError, Change, LocalAccounts, user_of};
use crate::login::Person;
use crate::time::unix_now;

/// Life of a sign-in with the root token that is for no program, in seconds.
const ROOT_LIFE: u64 = 3600;

impl Visit<'_> {
    /// Does what a form asks for.
    pub(super) async fn act(&self) -> Response {
        let public_url = &self.login.hub.options().public_base_url;
        if !is_own_page(&self.request.headers, public_url) || !self.has_form_token() {
            let text = "This form is too old, or does not come from this page. Go back, load the page again and retry.";
            return self.problem(403, text);
        }
        match self.request.field("action") {
            "continue" => self.go_on().await,
            "password" => self.sign_in().await,
            "signup" => self.sign_up().await,
            "verify" => self.verify().await,
            "resend" => self.resend().await,
            "root" => self.root().await,
            "account" => self.change().await,
            "signout" => self.sign_out(),
            _ => self.problem(400, "The page has no such form."),
        }
    }

    async fn go_on(&self) -> Response {
        let Some(signed_in) = &self.signed_in else {
            return self.front(401, Some(Note::Bad("You are not signed in any more.")), "");
        };
        let Some(key) = self.request.key() else {
            return Response::redirect(303, &self.path());
        };
        let person = match &signed_in.account {
            Some(account) => account.into(),
            None => (&signed_in.user).into(),
        };
        self.let_in(key, &signed_in.user, person).await
    }

    /// Completes the login.
    async fn let_in(&self, key: &str, user: &UserInfo, person: Person) -> Response {
        let who = person.email.clone().unwrap_or_else(|| user.id.clone());
        match self.login.complete(key, user, person).await {
            Ok(()) => self.done(key, &who),
            Err(_) if self.login.sessions.asked(key).is_none() => self.ended(),
            Err(failure) => self.front(403, Some(Note::Bad(&failure.message)), ""),
        }
    }

    /// Keeps somebody signed in with this browser.
    ///
    /// # Errors
    /// The token cannot be made.
    pub(super) async fn remember(
        &self,
        response: Response,
        user: &UserInfo,
        life: Option<u64>,
    ) -> Result<Response, RemoteFailure> {
        let (token, life) = self.login.token_for(user, None, life).await?;
        Ok(response.cookie(self.cookie(COOKIE, &token, life, "")))
    }

    /// Completes the login there is, or shows that one is signed in; keeps the browser signed in.
    async fn signed_in_as(&self, user: &UserInfo, person: Person) -> Response {
        let response = match self.request.key() {
            Some(key) => self.let_in(key, user, person).await,
            None => Response::redirect(303, &self.path()),
        };
        if self.request.headers.is_framed() == Some(true) {
            return response;
        }
        match self.remember(response, user, None).await {
            Ok(response) => response,
            Err(failure) => self.problem(500, &failure.message),
        }
    }

    fn accounts(&self) -> Result<&LocalAccounts, Response> {
        self.login
            .accounts()
            .map_err(|error| self.problem(404, &error.to_string()))
    }

    async fn sign_in(&self) -> Response {
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(response) => return response,
        };
        let (email, password) = (self.request.field("email"), self.request.field("password"));
        match accounts
            .sign_in(email, password, self.request.remote, unix_now())
            .await
        {
            Ok(account) => self.signed_in_as(&user_of(&account), (&account).into()).await,
            Err(error) => self.front(status(&error), Some(Note::Bad(&error.to_string())), email),
        }
    }

    async fn sign_up(&self) -> Response {
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(response) => return response,
        };
        let field = |name| self.request.field(name);
        let (name, email) = (field("name"), field("email"));
        let done = accounts
            .sign_up(name, email, field("password"), self.request.remote, unix_now())
            .await;
        match done {
            Ok(signed) => self.code_form(None, &signed.email, signed.dev_code.as_deref()),
            Err(error) => self.sign_up_form(Some(Note::Bad(&error.to_string())), name, email),
        }
    }

    async fn verify(&self) -> Response {
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(response) => return response,
        };
        let email = self.request.field("email");
        match accounts
            .verify(email, self.request.field("code"), unix_now())
            .await
        {
            Ok(_) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("note", "verified");
                if let Some(key) = self.request.key() {
                    query.append_pair("key", key);
                }
                Response::redirect(303, &format!("{}?{}", self.path(), query.finish()))
            }
            Err(error @ AccountError::WrongCode(_)) => {
                self.code_form(Some(Note::Bad(&error.to_string())), email, None)
            }
            Err(error) => self.sign_up_form(Some(Note::Bad(&error.to_string())), "", email),
        }
    }

    async fn resend(&self) -> Response {
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(response) => return response,
        };
        let email = self.request.field("email");
        match accounts.resend(email, self.request.remote, unix_now()).await {
            Ok(signed) => {
                let note = Some(Note::Good("Another code is on its way."));
                self.code_form(note, &signed.email, signed.dev_code.as_deref())
            }
            Err(error) => self.code_form(Some(Note::Bad(&error.to_string())), email, None),
        }
    }

    /// Signs in with the root token: for one login, or for an hour with this browser. The token itself goes nowhere.
    async fn root(&self) -> Response {
        let token = self.request.field("token");
        let is_root = self.login.root_sign_in && self.login.hub.authenticator().is_root_token(token);
        if !is_root || self.request.headers.is_framed() == Some(true) {
            return self.front(401, Some(Note::Bad("This is not the root token.")), "");
        }
        let root = UserInfo::root();
        match self.request.key() {
            Some(key) => self.let_in(key, &root, Person::default()).await,
            None => {
                let response = Response::redirect(303, &self.path());
                match self.remember(response, &root, Some(ROOT_LIFE)).await {
                    Ok(response) => response,
                    Err(failure) => self.problem(500, &failure.message),
                }
            }
        }
    }

    async fn change(&self) -> Response {
        let accounts = match self.accounts() {
            Ok(accounts) => accounts,
            Err(response) => return response,
        };
        let Some(signed_in) = &self.signed_in else {
            return self.front(401, Some(Note::Bad("You are not signed in any more.")), "");
        };
        let field = |name| self.request.form(name).map(str::to_owned);
        let change = Change {
            name: field("name"),
            current_password: field("current_password"),
            new_password: field("new_password"),
            email: None,
        };
        let done = accounts
            .update(&signed_in.user, change, self.request.remote, unix_now())
            .await;
        match done {
            Ok(_) => Response::redirect(303, &format!("{}?note=changed", self.path())),
            Err(error) => self.front(status(&error), Some(Note::Bad(&error.to_string())), ""),
        }
    }
}

fn status(error: &AccountError) -> u16 {
    match error {
        AccountError::Credentials | AccountError::CurrentPassword | AccountError::NotYours => 401,
        AccountError::Throttled(_) => 429,
        AccountError::Busy | AccountError::Store => 503,
        _ => 400,
    }
}
