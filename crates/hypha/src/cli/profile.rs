//! `hypha profile`.

use std::path::Path;

use anyhow::{Context, Result};
use chrono::Utc;
use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::output;
use super::profiles::{Profile, ProfileFile};
use super::user::time_text;
use crate::config::env::Env;

/// Servers that you have logged in to.
#[derive(Args, Debug)]
#[command(after_help = "\
A profile is a server, a workspace and a token; `hypha login` makes one. Commands use the profile of --profile, else of
HYPHA_PROFILE, else the one in use. Profiles are in the folder HYPHA_CONFIG_DIR [default: the platform's for
configuration].

Examples:
  hypha profile use lab
  HYPHA_PROFILE=lab hypha services
  hypha profile show lab --token              the token, for a script")]
pub(super) struct Profiles {
    /// What to do.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all profiles; the one in use is marked
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Use a profile from now on
    Use {
        /// Its name
        name: String,
    },
    /// Show a profile
    Show {
        /// Its name [default: the one in use]
        name: Option<String>,
        /// Print the token, and nothing else
        #[arg(long, conflicts_with = "json")]
        token: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget a profile and its token
    Remove {
        /// Its name
        name: String,
    },
}

/// Does it.
///
/// # Errors
/// There is no such profile, or the file cannot be read or written.
pub(super) fn run(args: Profiles, env: &Env) -> Result<()> {
    let file = ProfileFile::of(env);
    match args.action {
        Action::List { json } => list(&file, json),
        Action::Use { name } => {
            let url = file.change(|profiles| {
                let url = profiles.get(&name)?.server_url.clone();
                profiles.current = Some(name.clone());
                Ok(url)
            })?;
            output::line(&format!("The profile {name}, of {url}, is in use now."))
        }
        Action::Show { name, token, json } => show(&file, name.as_deref(), token, json, env),
        Action::Remove { name } => {
            file.change(|profiles| {
                profiles.get(&name)?;
                profiles.profiles.remove(&name);
                profiles.current.take_if(|current| *current == name);
                Ok(())
            })?;
            output::line(&format!("The profile {name} is forgotten."))
        }
    }
}

fn list(file: &ProfileFile, as_json: bool) -> Result<()> {
    let profiles = file.read()?;
    let is_current = |name: &String| profiles.current.as_ref() == Some(name);
    if as_json {
        let all = profiles.profiles.iter();
        return output::json(
            &all.map(|(name, profile)| record(name, profile, is_current(name)))
                .collect(),
        );
    }
    let rows = profiles.profiles.iter().map(|(name, profile)| {
        let mark = if is_current(name) { "*" } else { "" };
        let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            mark.to_owned(),
            name.clone(),
            profile.server_url.clone(),
            or_empty(&profile.workspace),
            or_empty(&profile.user),
            token_text(profile),
        ]
    });
    output::table(
        &["", "NAME", "SERVER", "WORKSPACE", "USER", "TOKEN"],
        rows.collect(),
        "No profiles; `hypha login` makes one.",
    )
}

fn show(file: &ProfileFile, name: Option<&str>, token: bool, as_json: bool, env: &Env) -> Result<()> {
    let profiles = file.read()?;
    let name = name
        .or(env.get("HYPHA_PROFILE"))
        .or(profiles.current.as_deref())
        .context("there is no profile in use; name one")?;
    let profile = profiles.get(name)?;
    if token {
        let token = profile.token.as_deref();
        return output::line(
            token.with_context(|| format!("the profile {name} has no token; `hypha login`"))?,
        );
    }
    let is_current = profiles.current.as_deref() == Some(name);
    if as_json {
        return output::json(&record(name, profile, is_current));
    }
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let in_use = if is_current { " (in use)" } else { "" };
    let path = file
        .path()
        .map_or_else(String::new, |path: &Path| path.display().to_string());
    output::line(&output::harmless(&format!(
        "{name}{in_use}\n  server     {}\n  workspace  {}\n  user       {}\n  token      {}\n  file       {path}",
        profile.server_url,
        or_none(&profile.workspace),
        or_none(&profile.user),
        token_text(profile),
    )))
}

/// Everything but the token.
fn record(name: &str, profile: &Profile, is_current: bool) -> Json {
    json!({
        "name": name,
        "current": is_current,
        "server_url": profile.server_url,
        "workspace": profile.workspace,
        "user": profile.user,
        "expires_at": profile.expires_at,
        "has_token": profile.token.is_some(),
    })
}

/// What can be said of a token without showing it.
fn token_text(profile: &Profile) -> String {
    match (&profile.token, profile.expires_at) {
        (None, _) => "none".to_owned(),
        (Some(_), None) => "stored".to_owned(),
        (Some(_), Some(end)) if end <= Utc::now().timestamp() => format!("expired {}", time_text(end)),
        (Some(_), Some(end)) => format!("valid until {}", time_text(end)),
    }
}
