//! What is on the page.

use maud::Markup;

use super::Visit;
use super::response::{Response, nonce};
use super::view::{self, Asker, Note, Page};
use crate::login::Login;
use crate::time::unix_now;

/// Texts for people.
pub(super) const ENDED: &str = "This login does not exist, has ended, or is complete already. Start it again in the program that asked for it.";

impl Visit<'_> {
    /// The page as it is asked for with a link.
    pub(super) fn show(&self) -> Response {
        let note = match self.request.query("note") {
            Some("verified") => Some(Note::Good("Your account is ready. Sign in now.")),
            Some("changed") => Some(Note::Good("The change is stored.")),
            _ => None,
        };
        if self.request.query("show") == Some("signup") && self.login.accounts.is_some() {
            return self.sign_up_form(note, "", "");
        }
        self.front(200, note, "")
    }

    /// Ways to sign in, or who is signed in; `email` is what was typed before.
    pub(super) fn front(&self, status: u16, note: Option<Note<'_>>, email: &str) -> Response {
        let Some((key, asker)) = self.asker() else {
            return self.ended();
        };
        let page = self.page(key, note);
        let markup = view::front(&page, asker.as_ref(), &self.ways(), email);
        self.respond(status, "Sign in", &page, markup)
    }

    /// The form for a new account.
    pub(super) fn sign_up_form(&self, note: Option<Note<'_>>, name: &str, email: &str) -> Response {
        let status = if matches!(note, Some(Note::Bad(_))) {
            400
        } else {
            200
        };
        let page = self.page(self.request.key(), note);
        let markup = view::sign_up(&page, name, email);
        self.respond(status, "New account", &page, markup)
    }

    /// The form for the code that was mailed.
    pub(super) fn code_form(&self, note: Option<Note<'_>>, email: &str, dev_code: Option<&str>) -> Response {
        let status = if matches!(note, Some(Note::Bad(_))) {
            400
        } else {
            200
        };
        let page = self.page(self.request.key(), note);
        let markup = view::code(&page, email, dev_code);
        self.respond(status, "Your code", &page, markup)
    }

    /// The login is complete.
    pub(super) fn done(&self, key: &str, who: &str) -> Response {
        let page = self.page(Some(key), None);
        let markup = view::done(&page, key, who);
        self.respond(200, "You are logged in", &page, markup)
    }

    /// Nobody is signed in with this browser any more.
    pub(super) fn signed_out(&self) -> Response {
        let page = self.page(None, None);
        let markup = view::signed_out(&page, self.request.query("close").is_some());
        self.respond(200, "Signed out", &page, markup)
    }

    /// Something that cannot go on.
    pub(super) fn problem(&self, status: u16, text: &str) -> Response {
        let page = self.page(None, Some(Note::Bad(text)));
        let markup = view::problem(&page);
        self.respond(status, "This did not work", &page, markup)
    }

    /// The login is not there any more.
    pub(super) fn ended(&self) -> Response {
        self.problem(404, ENDED)
    }

    fn respond(&self, status: u16, title: &str, page: &Page<'_>, markup: Markup) -> Response {
        Response::page(
            status,
            view::layout(title, page, &markup),
            &page.nonce,
            self.framing(),
        )
    }

    fn page<'a>(&self, key: Option<&'a str>, note: Option<Note<'a>>) -> Page<'a> {
        Page {
            path: self.path(),
            nonce: nonce(),
            form_token: self.form_token(),
            key,
            note,
        }
    }

    /// The login that this is about, and who has started it: nothing for a visit without a key, `None` for a key that
    /// is not good (any more).
    fn asker(&self) -> Option<(Option<&str>, Option<Asker>)> {
        let Some(key) = self.request.key() else {
            return Some((None, None));
        };
        let asked = self.login.sessions.asked(key)?;
        let asker = Asker {
            address: asked.remote.to_canonical().to_string(),
            is_elsewhere: asked.remote.to_canonical() != self.request.remote.to_canonical(),
            user: asked.user.clone(),
            at: asked.at,
            seconds_ago: unix_now().saturating_sub(asked.at),
            workspace: asked.workspace.as_ref().map(ToString::to_string),
            life: Login::life(asked.expires_in, asked.workspace.as_ref()),
        };
        Some((Some(key), Some(asker)))
    }

    fn ways(&self) -> view::Ways {
        let login = self.login;
        view::Ways {
            accounts: login.accounts.is_some(),
            issuer: login.issuer.as_ref().map(|issuer| issuer.host().to_owned()),
            // The root token is not for pages inside other pages.
            root: login.root_sign_in && self.request.headers.is_framed() != Some(true),
            signed_in: self.signed_in.as_ref().map(|one| view::Name {
                id: one.user.id.clone(),
                email: one
                    .account
                    .as_ref()
                    .map(|account| account.email.clone())
                    .or(one.user.email.clone()),
                is_local: one.account.is_some(),
            }),
            is_framed: self.request.headers.is_framed() == Some(true),
        }
    }
}
