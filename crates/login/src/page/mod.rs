//! The login page: forms that work without scripts.
//!
//! | module | what |
//! | --- | --- |
//! | `request`, `origin` | what the browser sends, and whether a page of this server made it do so |
//! | `show` | what is on the page |
//! | `act` | what its forms do |
//! | `external` | to the external issuer and back |
//! | `view`, `style` | the markup |
//! | `response`, `form_token` | policy, cookies, the secret in forms |
//!
//! Somebody who follows a link to this page may have got it from an attacker, who waits for the token. So the page says
//! who asks to be let in, from where and for what, and nothing happens without a click on a button that says so. What
//! takes no more than a click (going on as who one is signed in as) is not offered inside other pages.

mod act;
mod external;
mod form_token;
pub(crate) mod origin;
mod request;
mod response;
mod show;
mod style;
mod view;

use std::net::IpAddr;

use hypha_hub::auth::UserInfo;
use hypha_rpc::Value;

use crate::accounts::Account;
use crate::login::Login;
use crate::time::unix_now;
use origin::is_own_page;
use request::PageRequest;
use response::{Framing, Response};

/// The cookie that holds the token of whoever is signed in.
const COOKIE: &str = "access_token";
/// What older pages have left.
const OLD_COOKIE: &str = "hypha_local_token";

/// Who is signed in with this browser.
struct SignedIn {
    user: UserInfo,
    token: String,
    /// If it is an account of this server.
    account: Option<Account>,
}

/// One visit of the page.
struct Visit<'a> {
    login: &'a Login,
    request: PageRequest,
    /// Nobody inside other pages.
    signed_in: Option<SignedIn>,
}

/// Answers a request for the page.
pub(crate) async fn answer(login: &Login, event: &Value, remote: IpAddr) -> Value {
    let Some(request) = PageRequest::new(event, remote) else {
        return Response::redirect(303, &login.page_url()).to_value();
    };
    let visit = Visit {
        signed_in: signed_in(login, &request).await,
        login,
        request,
    };
    let response = if visit.request.is_post {
        visit.act().await
    } else if visit.request.query("state").is_some() {
        visit.returned().await
    } else if visit.request.query("with") == Some("issuer") {
        visit.leave().await
    } else if visit.request.query("logout").is_some() {
        visit.sign_out()
    } else {
        visit.show()
    };
    response.to_value()
}

/// Sends the browser to the page.
pub(crate) fn redirect(login: &Login) -> Value {
    Response::redirect(302, &login.page_url()).to_value()
}

async fn signed_in(login: &Login, request: &PageRequest) -> Option<SignedIn> {
    let headers = &request.headers;
    let follows_link = !request.is_post
        && headers.get("origin").is_none()
        && headers
            .get("sec-fetch-mode")
            .is_none_or(|mode| mode == "navigate");
    // A script of another page that reads this one sees nobody's name.
    if !follows_link && !is_own_page(headers, &login.hub.options().public_base_url) {
        return None;
    }
    if headers.is_framed() == Some(true) {
        return None;
    }
    let token = request.headers.cookie(COOKIE)?.to_owned();
    let user = login.user_of_token(&token, request.remote).await.ok()?;
    if user.is_anonymous {
        return None;
    }
    let account = match &login.accounts {
        Some(accounts) => accounts.account_of(&user).await,
        None => None,
    };
    Some(SignedIn { user, token, account })
}

impl Visit<'_> {
    /// The path of the page as browsers see it.
    fn path(&self) -> String {
        let url = url::Url::parse(&self.login.page_url());
        url.map_or_else(|_| "/".to_owned(), |url| url.path().to_owned())
    }

    /// A cookie for this server: kept for `life` seconds, not sent with forms of other sites.
    fn cookie(&self, name: &str, value: &str, life: u64, more: &str) -> String {
        let is_https = self.login.hub.options().public_base_url.starts_with("https://");
        let secure = if is_https { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={life}; SameSite=Lax{secure}{more}")
    }

    /// Who may show the answer inside a page of theirs.
    fn framing(&self) -> Framing {
        match self.request.headers.is_framed() {
            Some(true) => Framing::Everybody,
            Some(false) => Framing::Nobody,
            // An old browser, or one without HTTPS.
            None if self.signed_in.is_some() => Framing::Own,
            None => Framing::Everybody,
        }
    }

    fn form_token(&self) -> String {
        let token = self.signed_in.as_ref().map_or("", |one| one.token.as_str());
        form_token::make(&self.login.form_secret, token, unix_now())
    }

    fn has_form_token(&self) -> bool {
        let token = self.signed_in.as_ref().map_or("", |one| one.token.as_str());
        let value = self.request.field("form_token");
        form_token::is_valid(&self.login.form_secret, token, value, unix_now())
    }

    fn sign_out(&self) -> Response {
        let gone = |name: &str| self.cookie(name, "", 0, "");
        self.signed_out().cookie(gone(COOKIE)).cookie(gone(OLD_COOKIE))
    }
}
