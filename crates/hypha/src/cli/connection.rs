//! How a command reaches a server: flags over the environment over a profile.
//!
//! A token in a profile goes to the server of the profile and to no other, whatever else is said.

use anyhow::Result;
use clap::Args;
use hypha_rpc::{Client, Connect, connect};

use super::profiles::{Profile, ProfileFile, Profiles};
use crate::config::env::Env;

/// The server when nobody says which.
pub(super) const DEFAULT_SERVER: &str = "http://127.0.0.1:9527";

/// Which server, as whom.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(super) struct Connection {
    /// Profile to use, as `hypha login` makes them [env: HYPHA_PROFILE] [default: the one in use]
    #[arg(long, value_name = "NAME", conflicts_with = "server_url")]
    profile: Option<String>,
    /// URL of the server [env: HYPHA_SERVER_URL] [default: the profile's, or http://127.0.0.1:9527]
    #[arg(long, value_name = "URL")]
    server_url: Option<String>,
    /// Workspace to work in [env: HYPHA_WORKSPACE] [default: the profile's, the token's, or your own]
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Token to log in with [env: HYPHA_TOKEN] [default: the profile's; anonymous without one]
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

/// A server, and as whom to connect. Holds a secret.
#[derive(Clone)]
pub(super) struct Target {
    /// URL of the server.
    pub(super) url: String,
    /// Whether somebody has said which server, or it is the default.
    pub(super) is_named: bool,
    /// The workspace that was asked for.
    pub(super) workspace: Option<String>,
    /// The token.
    pub(super) token: Option<String>,
    /// The profile that the token is from.
    pub(super) profile: Option<String>,
}

impl Connection {
    /// Connects, as a client that is not listed: it only calls others.
    ///
    /// # Errors
    /// There is no such profile or no server, or the server refuses.
    pub(super) async fn open(&self, env: &Env) -> Result<Client> {
        self.target(env)?.open().await
    }

    /// Decides where to connect, and as whom.
    ///
    /// # Errors
    /// There is no such profile, or the profiles cannot be read.
    pub(super) fn target(&self, env: &Env) -> Result<Target> {
        self.choose(env, &ProfileFile::of(env).read()?)
    }

    /// The same for a server that was named elsewhere on the command line.
    pub(super) fn with_url(self, url: Option<String>) -> Self {
        Self {
            server_url: url.or(self.server_url),
            ..self
        }
    }

    fn choose(&self, env: &Env, profiles: &Profiles) -> Result<Target> {
        let named = given(self.profile.as_deref());
        let name = named.or(env.get("HYPHA_PROFILE")).or(profiles.current.as_deref());
        let profile = name.map(|name| profiles.get(name)).transpose()?;

        // A profile that the command line names counts as part of it, and stands before the environment.
        let url_of = |profile: &'_ Profile| profile.server_url.clone();
        let said = in_order(
            given(self.server_url.as_deref()),
            env.get("HYPHA_SERVER_URL"),
            profile.map(url_of),
            named.is_some(),
        );
        let is_named = said.is_some();
        let url = said.unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        let profile = profile.filter(|profile| is_same_server(&profile.server_url, &url));

        let stored = profile.and_then(|profile| profile.token.clone());
        let token = in_order(
            given(self.token.as_deref()),
            env.get("HYPHA_TOKEN"),
            stored.clone(),
            named.is_some(),
        );
        // The workspace of a profile is one that its token opens; another token may not.
        let is_profiles = token == stored;
        let workspace = in_order(
            given(self.workspace.as_deref()),
            env.get("HYPHA_WORKSPACE"),
            profile
                .filter(|_| is_profiles || stored.is_none())
                .and_then(|profile| profile.workspace.clone()),
            named.is_some(),
        );
        Ok(Target {
            url,
            is_named,
            workspace,
            profile: name.filter(|_| token.is_some() && is_profiles).map(str::to_owned),
            token,
        })
    }
}

impl Target {
    /// Connects, as a client that is not listed.
    ///
    /// # Errors
    /// There is no server, or it refuses.
    pub(super) async fn open(&self) -> Result<Client> {
        Ok(self.options().await?)
    }

    /// How it would connect.
    pub(super) fn options(&self) -> Connect {
        let mut options = connect(&self.url).silent();
        if let Some(workspace) = &self.workspace {
            options = options.workspace(workspace);
        }
        if let Some(token) = &self.token {
            options = options.token(token);
        }
        options
    }

    /// The same, to wherever the token leads.
    pub(super) fn anywhere(self) -> Self {
        Self {
            workspace: None,
            ..self
        }
    }
}

/// Whether two URLs name the same server.
pub(super) fn is_same_server(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// The first that is there, of a flag, a variable and a profile; a profile that was named stands before the variable.
fn in_order(
    flag: Option<&str>,
    variable: Option<&str>,
    profile: Option<String>,
    is_named: bool,
) -> Option<String> {
    let variable = variable.map(str::to_owned);
    let rest = if is_named {
        profile.or(variable)
    } else {
        variable.or(profile)
    };
    flag.map(str::to_owned).or(rest)
}

fn given(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        let profile = |server_url: &str, workspace: Option<&str>, token: &str| Profile {
            server_url: server_url.into(),
            workspace: workspace.map(str::to_owned),
            token: Some(token.into()),
            ..Profile::default()
        };
        Profiles {
            current: Some("lab".into()),
            profiles: [
                ("lab".to_owned(), profile("https://lab", Some("lab-1"), "t-lab")),
                ("home".to_owned(), profile("https://home/", None, "t-home")),
            ]
            .into(),
        }
    }

    /// URL, workspace and token.
    fn chosen(flags: &Connection, env: &[(&str, &str)]) -> (String, Option<String>, Option<String>) {
        let target = flags.choose(&Env::of(env), &profiles()).unwrap();
        (target.url, target.workspace, target.token)
    }

    fn expect(url: &str, workspace: &str, token: &str) -> (String, Option<String>, Option<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (url.to_owned(), some(workspace), some(token))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn nothing_said() {
        let target = Connection::default()
            .choose(&Env::default(), &Profiles::default())
            .unwrap();
        assert_eq!(
            (target.url.as_str(), target.is_named, target.token),
            (DEFAULT_SERVER, false, None)
        );
        assert_eq!(
            chosen(&Connection::default(), &[]),
            expect("https://lab", "lab-1", "t-lab")
        );
    }

    #[test]
    fn profiles_by_name() {
        let home = expect("https://home/", "", "t-home");
        let flags = Connection {
            profile: some("home"),
            ..Connection::default()
        };
        assert_eq!(chosen(&flags, &[]), home);
        let env = [("HYPHA_SERVER_URL", "https://lab"), ("HYPHA_TOKEN", "other")];
        assert_eq!(
            chosen(&flags, &env),
            home,
            "a profile that is named stands before variables"
        );
        assert_eq!(chosen(&Connection::default(), &[("HYPHA_PROFILE", "home")]), home);
        let unknown = Connection::default().choose(&Env::of(&[("HYPHA_PROFILE", "x")]), &profiles());
        assert!(unknown.is_err());
    }

    #[test]
    fn tokens_stay_with_their_server() {
        let flags = Connection {
            server_url: some("https://evil"),
            ..Connection::default()
        };
        assert_eq!(chosen(&flags, &[]), expect("https://evil", "", ""));
        let variable = [("HYPHA_SERVER_URL", "https://evil"), ("HYPHA_PROFILE", "lab")];
        assert_eq!(
            chosen(&Connection::default(), &variable),
            expect("https://evil", "", "")
        );
        let same = Connection {
            server_url: some("https://lab/"),
            ..Connection::default()
        };
        assert_eq!(chosen(&same, &[]), expect("https://lab/", "lab-1", "t-lab"));
    }

    #[test]
    fn flags_and_variables_stand_before_the_profile_in_use() {
        let env = [("HYPHA_TOKEN", "t-env")];
        assert_eq!(
            chosen(&Connection::default(), &env),
            expect("https://lab", "", "t-env"),
            "the workspace of a profile goes with its token"
        );
        let flags = Connection {
            token: some("t-flag"),
            workspace: some("w"),
            ..Connection::default()
        };
        assert_eq!(chosen(&flags, &env), expect("https://lab", "w", "t-flag"));
        let empty = Connection {
            token: some(" "),
            ..Connection::default()
        };
        assert_eq!(chosen(&empty, &[]), expect("https://lab", "lab-1", "t-lab"));
    }
}
