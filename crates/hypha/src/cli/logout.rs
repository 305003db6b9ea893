//! `hypha logout`.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use super::output;
use super::profiles::ProfileFile;
use super::user::time_text;
use crate::config::env::Env;

/// How long the server may take to say where its session ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Forget the token of a profile.
#[derive(Args, Debug)]
#[command(after_help = "\
The token is forgotten on this machine; a copy of it stays valid until it expires. Your session with the server's login
page ends in the browser, at the address that is printed. `hypha profile remove` forgets the server as well.")]
pub(super) struct Logout {
    /// Profile to log out of [env: HYPHA_PROFILE] [default: the one in use]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// Forgets the token, then asks the server where to end the session in the browser.
///
/// # Errors
/// There is no such profile, or it cannot be changed. That the server cannot be asked is no error.
pub(super) async fn run(args: Logout, env: &Env) -> Result<()> {
    let (name, profile, had_token) = ProfileFile::of(env).change(|profiles| {
        let name = args.profile.as_deref().or(env.get("HYPHA_PROFILE"));
        let name = name
            .or(profiles.current.as_deref())
            .context("there is no profile in use; name one with --profile")?
            .to_owned();
        let unknown = profiles.unknown(&name);
        let profile = profiles.profiles.get_mut(&name).ok_or(unknown)?;
        let had_token = profile.token.take().is_some();
        let before = profile.clone();
        (profile.user, profile.expires_at) = (None, None);
        Ok((name, before, had_token))
    })?;
    let url = &profile.server_url;
    if had_token {
        let until = match profile.expires_at {
            Some(end) => format!("until {}", time_text(end)),
            None => "on the server".to_owned(),
        };
        output::line(&format!(
            "Logged out of {url}: the token of profile {name} is forgotten here; copies stay valid {until}."
        ))?;
    } else {
        output::line(&format!("The profile {name} had no token."))?;
    }
    if env.get("HYPHA_TOKEN").is_some() {
        eprintln!("note: HYPHA_TOKEN is set; commands use it");
    }
    match tokio::time::timeout(PATIENCE, hypha_rpc::logout(url)).await {
        Ok(Ok(page)) => output::line(&format!(
            "To end the session in your browser as well, open:\n\n  {}",
            output::harmless(&page)
        )),
        Ok(Err(error)) => {
            let reason = output::harmless(&error.to_string());
            eprintln!("note: {url} does not say how to end a session in the browser: {reason}");
            Ok(())
        }
        Err(_) => {
            eprintln!("note: {url} does not answer; a session in the browser goes on");
            Ok(())
        }
    }
}
