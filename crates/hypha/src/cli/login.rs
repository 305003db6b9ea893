//! `hypha login`.

use std::io::{IsTerminal, Read, stdin};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use console::Term;
use hypha_rpc::{Error, LoginPrompt};
use indicatif::ProgressBar;

use super::connection::{DEFAULT_SERVER, Target, is_same_server};
use super::profiles::{Profile, ProfileFile, Profiles, check_name};
use super::user::{User, time_text};
use super::{browser, output};
use crate::config::env::Env;

/// How long a person may take: as long as servers wait.
const PATIENCE: Duration = Duration::from_secs(180);
/// Time between two pictures of the spinner.
const TICK: Duration = Duration::from_millis(120);
/// Longest token that is read, in bytes.
const MAX_TOKEN: u64 = 64 << 10;

/// Log in, and remember the server and the token in a profile.
#[derive(Args, Debug)]
#[command(after_help = "\
The address of the server's login page is printed, and opened if this machine has a desktop. The profile is used from
then on by all commands. It is kept in a file that only you can read.

Examples:
  hypha login https://hypha.example.org
  hypha login --workspace my-lab --profile lab       a token for one workspace
  hypha login --token-stdin < token.txt              a token that you have already")]
pub(super) struct Login {
    /// URL of the server [env: HYPHA_SERVER_URL] [default: the profile's, or http://127.0.0.1:9527]
    url: Option<String>,
    /// Workspace that the token shall be for [default: the profile's; all that are yours if there is none]
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Profile to make or to renew [env: HYPHA_PROFILE] [default: named after the server]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Life of the token in seconds [default: the server decides]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "token_stdin")]
    expires_in: Option<u64>,
    /// Take a token from standard input, or ask for it, in place of the login page
    #[arg(long)]
    token_stdin: bool,
    /// Only print the address of the login page
    #[arg(long)]
    no_browser: bool,
}

/// Logs in and stores the token, once the server has accepted it.
///
/// # Errors
/// There is no server or no login service, nobody logs in, the token does not work, or it cannot be stored.
pub(super) async fn run(args: Login, env: &Env) -> Result<()> {
    let file = ProfileFile::of(env);
    let profiles = file.read()?;
    let (name, url) = place(&args, env, &profiles)?;
    let earlier = profiles
        .profiles
        .get(&name)
        .filter(|profile| is_same_server(&profile.server_url, &url));
    let workspace = args
        .workspace
        .as_deref()
        .filter(|workspace| !workspace.trim().is_empty())
        .or(env.get("HYPHA_WORKSPACE"))
        .map(str::to_owned)
        .or_else(|| earlier.and_then(|profile| profile.workspace.clone()));
    let token = if args.token_stdin {
        given_token()?
    } else {
        interactive(&url, workspace.as_deref(), args.expires_in, !args.no_browser).await?
    };

    let target = Target {
        url: url.clone(),
        is_named: true,
        workspace: workspace.clone(),
        token: Some(token.clone()),
        profile: None,
    };
    let client = target.options().await.map_err(|error| match error {
        Error::Refused(_) => anyhow::Error::from(error).context("the server does not take the token"),
        other => other.into(),
    })?;
    let user = User::of(&client.info().user);
    let joined = client.workspace().to_owned();
    client.disconnect().await;

    file.change(|profiles| {
        let profile = Profile {
            server_url: url.clone(),
            workspace,
            user: Some(user.id.clone()),
            expires_at: user.expires_at,
            token: Some(token),
        };
        profiles.profiles.insert(name.clone(), profile);
        profiles.current = Some(name.clone());
        Ok(())
    })
    .context("the profile cannot be stored")?;
    let joined = output::harmless(&joined);
    output::line(&format!(
        "Logged in to {url} as {}, in workspace {joined}.",
        user.name()
    ))?;
    if let Some(end) = user.expires_at {
        output::line(&format!("The token is valid until {}.", time_text(end)))?;
    }
    output::line(&format!("The profile {name} is in use now."))
}

/// Lets the person log in with the server's login page.
async fn interactive(
    url: &str,
    workspace: Option<&str>,
    expires_in: Option<u64>,
    may_open: bool,
) -> Result<String> {
    let spinner = ProgressBar::new_spinner().with_message("waiting for the login");
    let shown = spinner.clone();
    let mut login = hypha_rpc::login(url)
        .timeout(PATIENCE)
        .on_prompt(move |prompt: &LoginPrompt| {
            let page = output::harmless(&prompt.login_url);
            // If nobody reads the address, nobody logs in, and the login ends by itself.
            let _ = output::line(&format!("Open this page in a browser to log in:\n\n  {page}\n"));
            if may_open {
                browser::open(&page);
            }
            shown.enable_steady_tick(TICK);
        });
    if let Some(workspace) = workspace {
        login = login.workspace(workspace);
    }
    if let Some(seconds) = expires_in {
        login = login.expires_in(seconds);
    }
    let user = login.await;
    spinner.finish_and_clear();
    Ok(user?.token)
}

/// The token from standard input. A person at a terminal types it unseen.
fn given_token() -> Result<String> {
    let text = if stdin().is_terminal() {
        let terminal = Term::stderr();
        terminal.write_str("Token: ")?;
        terminal.read_secure_line()?
    } else {
        let mut text = String::new();
        stdin()
            .lock()
            .take(MAX_TOKEN)
            .read_to_string(&mut text)
            .context("standard input")?;
        text
    };
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        bail!("expected one token on standard input, without blanks in it");
    }
    Ok(token.to_owned())
}

/// The profile to make or renew, and its server.
fn place(args: &Login, env: &Env, profiles: &Profiles) -> Result<(String, String)> {
    let variable = env.get("HYPHA_SERVER_URL");
    let url_of = |name: &str| {
        profiles
            .profiles
            .get(name)
            .map(|profile| profile.server_url.as_str())
    };
    let named = args.profile.as_deref();
    let (name, url) = match named.or(env.get("HYPHA_PROFILE")) {
        Some(name) => {
            let url = if named.is_some() {
                url_of(name).or(variable)
            } else {
                variable.or(url_of(name))
            };
            (
                name.to_owned(),
                args.url.as_deref().or(url).unwrap_or(DEFAULT_SERVER),
            )
        }
        None => {
            let current = profiles.current.as_deref().and_then(url_of);
            let url = args
                .url
                .as_deref()
                .or(variable)
                .or(current)
                .unwrap_or(DEFAULT_SERVER);
            (name_for(url, profiles), url)
        }
    };
    check_name(&name)?;
    if !["http://", "https://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        bail!("the server {url:?}: expected a URL such as https://hypha.example.org");
    }
    Ok((name, url.trim_end_matches('/').to_owned()))
}

/// The profile of a server: the one in use if it is of this server, any that is, or a new one.
fn name_for(url: &str, profiles: &Profiles) -> String {
    let is_of = |name: &&String| {
        let profile = profiles.profiles.get(*name);
        profile.is_some_and(|profile| is_same_server(&profile.server_url, url))
    };
    let known = profiles
        .current
        .iter()
        .chain(profiles.profiles.keys())
        .find(is_of);
    if let Some(name) = known {
        return name.clone();
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    let name: String = rest.trim_end_matches('/').chars().map(plain).take(48).collect();
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let is_free = |name: &String| !profiles.profiles.contains_key(name);
    std::iter::once(name.clone())
        .chain(numbered)
        .find(is_free)
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Login,
    }

    fn profiles() -> Profiles {
        let profile = |server_url: &str| Profile {
            server_url: server_url.into(),
            ..Profile::default()
        };
        Profiles {
            current: Some("b".into()),
            profiles: [
                ("a".to_owned(), profile("https://one")),
                ("b".to_owned(), profile("https://two")),
                ("c".to_owned(), profile("https://two")),
            ]
            .into(),
        }
    }

    fn placed(words: &[&str], env: &[(&str, &str)]) -> (String, String) {
        let args = Program::parse_from([&["x"], words].concat()).args;
        place(&args, &Env::of(env), &profiles()).unwrap()
    }

    fn is(name: &str, url: &str) -> (String, String) {
        (name.to_owned(), url.to_owned())
    }

    #[test]
    fn profiles_are_found_or_made() {
        assert_eq!(placed(&[], &[]), is("b", "https://two"));
        assert_eq!(placed(&["https://two/"], &[]), is("b", "https://two"));
        assert_eq!(placed(&["https://one"], &[]), is("a", "https://one"));
        assert_eq!(placed(&["http://h:80/x/"], &[]), is("h-80-x", "http://h:80/x"));
        assert_eq!(placed(&["--profile", "a"], &[]), is("a", "https://one"));
        assert_eq!(
            placed(&["--profile", "new", "https://x"], &[]),
            is("new", "https://x")
        );
        assert_eq!(placed(&["--profile", "new"], &[]), is("new", DEFAULT_SERVER));
    }

    #[test]
    fn variables() {
        let url = ("HYPHA_SERVER_URL", "https://one");
        assert_eq!(placed(&[], &[url]), is("a", "https://one"));
        assert_eq!(
            placed(&[], &[url, ("HYPHA_PROFILE", "b")]),
            is("b", "https://one")
        );
        assert_eq!(placed(&["--profile", "b"], &[url]), is("b", "https://two"));
    }

    #[test]
    fn malformed() {
        for words in [&["ftp://x"][..], &["host"], &["--profile", "a b"]] {
            let args = Program::parse_from([&["x"], words].concat()).args;
            assert!(place(&args, &Env::default(), &profiles()).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_second_server_of_the_same_name() {
        let mut profiles = profiles();
        profiles.profiles.insert("h".to_owned(), Profile::default());
        assert_eq!(name_for("https://h", &profiles), "h-2");
    }
}
