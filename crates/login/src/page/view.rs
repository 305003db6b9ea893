//! The markup. Whatever is put into it is escaped by the macro.

use chrono::DateTime;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::json;

use super::style::CSS;

/// What all pages need.
pub(super) struct Page<'a> {
    /// Path of the page.
    pub(super) path: String,
    pub(super) nonce: String,
    pub(super) form_token: String,
    /// The login that this is about.
    pub(super) key: Option<&'a str>,
    pub(super) note: Option<Note<'a>>,
}

/// A message above everything else.
#[derive(Clone, Copy)]
pub(super) enum Note<'a> {
    /// Something worked.
    Good(&'a str),
    /// Something did not.
    Bad(&'a str),
}

/// Who asks to be let in.
pub(super) struct Asker {
    pub(super) address: String,
    /// Not where the reader is.
    pub(super) is_elsewhere: bool,
    pub(super) user: Option<String>,
    pub(super) at: u64,
    pub(super) seconds_ago: u64,
    pub(super) workspace: Option<String>,
    pub(super) life: u64,
}

/// Who is signed in with this browser.
pub(super) struct Name {
    pub(super) id: String,
    pub(super) email: Option<String>,
    /// Has a password here.
    pub(super) is_local: bool,
}

/// The ways in.
pub(super) struct Ways {
    pub(super) accounts: bool,
    /// Host name of the external issuer.
    pub(super) issuer: Option<String>,
    pub(super) root: bool,
    pub(super) signed_in: Option<Name>,
    pub(super) is_framed: bool,
}

/// A page with this content.
pub(super) fn layout(title: &str, page: &Page<'_>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) " - Hypha Account" }
                style nonce=(page.nonce) { (PreEscaped(CSS)) }
            }
            body {
                main {
                    h1 { (title) }
                    p.brand { "Hypha Account" }
                    @match page.note {
                        Some(Note::Good(text)) => { p.note.good role="status" { (text) } }
                        Some(Note::Bad(text)) => { p.note.bad role="alert" { (text) } }
                        None => {}
                    }
                    (content)
                }
            }
        }
    }
}

/// The hidden fields of a form.
fn hidden(page: &Page<'_>, action: &str) -> Markup {
    html! {
        input type="hidden" name="action" value=(action);
        input type="hidden" name="form_token" value=(page.form_token);
        @if let Some(key) = page.key {
            input type="hidden" name="key" value=(key);
        }
    }
}

/// A link to the page about the same login.
fn link(page: &Page<'_>, query: &str) -> String {
    match page.key {
        Some(key) => {
            let key: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
            format!("{}?{query}&key={key}", page.path)
        }
        None => format!("{}?{query}", page.path),
    }
}

/// What the button says, that lets a program in when there is one.
fn sign_in_text(page: &Page<'_>) -> &'static str {
    if page.key.is_some() {
        "Sign in and let it in"
    } else {
        "Sign in"
    }
}

/// Ways to sign in, below who asks.
pub(super) fn front(page: &Page<'_>, asker: Option<&Asker>, ways: &Ways, email: &str) -> Markup {
    let has_none = !ways.accounts && ways.issuer.is_none() && !ways.root && ways.signed_in.is_none();
    html! {
        @if let Some(asker) = asker { (who_asks(asker)) }
        @if let Some(name) = &ways.signed_in { (signed_in(page, name)) }
        @if page.key.is_some() || ways.signed_in.is_none() {
            @if let Some(host) = &ways.issuer {
                section {
                    @let target = ways.is_framed.then_some("_blank");
                    a.button href=(link(page, "with=issuer")) target=[target] { "Sign in at " (host) }
                    @if page.key.is_some() { p.hint { "You confirm once more when you are back." } }
                }
            }
            @if ways.accounts { (password_form(page, email)) }
            @if ways.root { (root_form(page)) }
        }
        @if has_none {
            p { "This server offers no way to sign in here. Its operator can enable local accounts, an external \
                 sign-in service, or a root token." }
        }
    }
}

fn who_asks(asker: &Asker) -> Markup {
    let at = i64::try_from(asker.at)
        .ok()
        .and_then(|at| DateTime::from_timestamp(at, 0));
    html! {
        section.asker aria-labelledby="asker" {
            h2 #asker { "A program asks to be let in as you" }
            dl {
                dt { "Address" } dd { (asker.address) }
                @if let Some(user) = &asker.user { dt { "User" } dd { (user) } }
                dt { "Asked" }
                dd {
                    @if let Some(at) = at { (at.format("%H:%M:%S UTC")) ", " }
                    (asker.seconds_ago) " seconds ago"
                }
                dt { "Workspace" }
                dd { @match &asker.workspace { Some(id) => { (id) } None => { "all that you may use" } } }
                dt { "For" } dd { (duration(asker.life)) }
            }
            @if asker.is_elsewhere {
                p.note.bad { "It does not run where you are: its address is not that of your browser." }
            }
            p { strong { "Only go on if you have started this login yourself, just now." }
                " Otherwise somebody else wants to act as you: close this page." }
        }
    }
}

fn signed_in(page: &Page<'_>, name: &Name) -> Markup {
    let shown = name.email.as_ref().unwrap_or(&name.id);
    html! {
        section aria-labelledby="you" {
            h2 #you { "You are signed in as " (shown) }
            @if page.key.is_some() {
                form method="post" action=(page.path) {
                    (hidden(page, "continue"))
                    button type="submit" { "Continue as " (shown) ", and let it in" }
                }
            }
            form method="post" action=(page.path) {
                (hidden(page, "signout"))
                button.quiet type="submit" { "Sign out" }
            }
            @if page.key.is_none() && name.is_local { (account_form(page)) }
        }
    }
}

fn account_form(page: &Page<'_>) -> Markup {
    html! {
        details {
            summary { "Change your name or password" }
            form method="post" action=(page.path) {
                (hidden(page, "account"))
                label for="new-name" { "New name (may stay empty)" }
                input #new-name name="name" autocomplete="name" maxlength="100";
                label for="current" { "Current password (to change it)" }
                input #current name="current_password" type="password" autocomplete="current-password";
                label for="new" { "New password (may stay empty)" }
                input #new name="new_password" type="password" autocomplete="new-password" minlength="8";
                button type="submit" { "Store" }
            }
        }
    }
}

fn password_form(page: &Page<'_>, email: &str) -> Markup {
    html! {
        section aria-labelledby="password-title" {
            h2 #password-title { "With your e-mail address" }
            form method="post" action=(page.path) {
                (hidden(page, "password"))
                label for="email" { "E-mail address" }
                input #email name="email" type="email" value=(email) autocomplete="username" required;
                label for="password" { "Password" }
                input #password name="password" type="password" autocomplete="current-password" required;
                button type="submit" { (sign_in_text(page)) }
            }
            p { a href=(link(page, "show=signup")) { "Make a new account" } }
        }
    }
}

fn root_form(page: &Page<'_>) -> Markup {
    html! {
        details {
            summary { "Administrator" }
            form method="post" action=(page.path) {
                (hidden(page, "root"))
                label for="token" { "Root token" }
                input #token name="token" type="password" autocomplete="off" required aria-describedby="root-hint";
                p.hint #root-hint { "It is not kept: what asks gets a token of its own, which ends." }
                button type="submit" { (sign_in_text(page)) }
            }
        }
    }
}

/// The form for a new account.
pub(super) fn sign_up(page: &Page<'_>, name: &str, email: &str) -> Markup {
    html! {
        form method="post" action=(page.path) {
            (hidden(page, "signup"))
            label for="name" { "Name" }
            input #name name="name" value=(name) autocomplete="name" maxlength="100" required;
            label for="email" { "E-mail address" }
            input #email name="email" type="email" value=(email) autocomplete="email" required;
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="new-password" minlength="8" required
                aria-describedby="password-hint";
            p.hint #password-hint { "At least 8 characters." }
            button type="submit" { "Make the account" }
        }
        p { a href=(link(page, "show=signin")) { "Sign in with an account" } }
    }
}

/// The form for the code that was mailed.
pub(super) fn code(page: &Page<'_>, email: &str, dev_code: Option<&str>) -> Markup {
    html! {
        @match dev_code {
            Some(code) => {
                p.note.good { "This server sends no mail. Your code is " code { (code) } }
            }
            None => { p { "A code is on its way to " (email) "." } }
        }
        form method="post" action=(page.path) {
            (hidden(page, "verify"))
            input type="hidden" name="email" value=(email);
            label for="code" { "Code of six digits" }
            input #code name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="6" required;
            button type="submit" { "Confirm" }
        }
        form method="post" action=(page.path) {
            (hidden(page, "resend"))
            input type="hidden" name="email" value=(email);
            button.quiet type="submit" { "Send another code" }
        }
    }
}

/// The login is complete. A page that shows this one inside, or has opened it, is told; there is no token in that.
pub(super) fn done(page: &Page<'_>, key: &str, who: &str) -> Markup {
    let message = json!({"type": "hypha-login-complete", "key": key}).to_string();
    // Inside a script, a tag would end it.
    let message = message.replace('<', "\\u003c");
    let script = format!(
        "const message = {message};\
         if (window.parent !== window) {{ window.parent.postMessage(message, '*'); }}\
         else {{ if (window.opener) {{ window.opener.postMessage(message, '*'); }} window.close(); }}"
    );
    html! {
        p.note.good role="status" { "The program is let in as " (who) "." }
        p { "You can close this page." }
        script nonce=(page.nonce) { (PreEscaped(script)) }
    }
}

/// Nobody is signed in any more.
pub(super) fn signed_out(page: &Page<'_>, close: bool) -> Markup {
    html! {
        p.note.good role="status" { "You are not signed in with this browser any more." }
        p { a href=(page.path) { "Sign in again" } }
        @if close { script nonce=(page.nonce) { "window.close();" } }
    }
}

/// Something that cannot go on: the note says all.
pub(super) fn problem(page: &Page<'_>) -> Markup {
    html! { p { a href=(page.path) { "To the sign-in page" } } }
}

/// A time that people can read.
fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7199 => (seconds / 60, "minute"),
        7200..=172_799 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 {
        format!("1 {unit}")
    } else {
        format!("{count} {unit}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "\"><script>alert(1)</script>";

    fn page(note: Option<Note<'_>>) -> Page<'_> {
        Page {
            path: "/public/apps/hypha-login/".into(),
            nonce: "n0nce".into(),
            form_token: "token".into(),
            key: Some(EVIL),
            note,
        }
    }

    #[test]
    fn everything_is_escaped() {
        let asker = Asker {
            address: EVIL.into(),
            is_elsewhere: true,
            user: Some(EVIL.into()),
            at: 0,
            seconds_ago: 1,
            workspace: Some(EVIL.into()),
            life: 60,
        };
        let ways = Ways {
            accounts: true,
            issuer: Some(EVIL.into()),
            root: true,
            signed_in: Some(Name {
                id: EVIL.into(),
                email: Some(EVIL.into()),
                is_local: true,
            }),
            is_framed: false,
        };
        let page = page(Some(Note::Bad(EVIL)));
        for content in [
            front(&page, Some(&asker), &ways, EVIL),
            sign_up(&page, EVIL, EVIL),
            code(&page, EVIL, Some(EVIL)),
            done(&page, EVIL, EVIL),
            signed_out(&page, true),
            problem(&page),
        ] {
            let text = layout(EVIL, &page, &content).into_string();
            assert!(!text.contains("<script>") && !text.contains(EVIL), "{text}");
        }
    }

    #[test]
    fn durations() {
        let shown = [60, 3600, 7200, 86_400, 172_800, 2_592_000].map(duration);
        assert_eq!(
            shown,
            [
                "60 seconds",
                "60 minutes",
                "2 hours",
                "24 hours",
                "2 days",
                "30 days"
            ]
        );
    }
}
