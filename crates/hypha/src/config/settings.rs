//! What a server runs with, checked. Made from flags and variables; used to start it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use directories::ProjectDirs;
use hypha_hub::Options;
use hypha_hub::auth::{RootToken, TokenOptions};

use super::checks::{check_redis, public_base_url, server_id};
use super::env::Env;
use super::files::Files;
use super::flags::Flags;
use super::{gateway, login, mask, numbers};

/// Shortest signing secret, in bytes, that is taken without a warning: that of the hash it is for.
const SECRET_LEN: usize = 32;

/// The Python interpreter when nobody names one.
const PYTHON: &str = "python3";

/// Where durable state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In memory.
    Ephemeral,
    /// In the file [`DATABASE`](Self::DATABASE) of a folder.
    Folder(PathBuf),
    /// In the database of this URI.
    Database(String),
}

impl Storage {
    /// Name of the database file in a data folder.
    pub(crate) const DATABASE: &str = "hypha.db";
}

/// Everything that is decided before a server starts.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Name or address to listen on.
    pub(crate) host: String,
    /// Port; 0 for a free one.
    pub(crate) port: u16,
    /// URL for users, without a slash at the end; by default it follows from the address.
    pub(crate) public_base_url: Option<String>,
    /// Identity among replicas; by default one is kept in the store.
    pub(crate) server_id: Option<String>,
    /// Accepted as the administrator's.
    pub(crate) root_token: Option<RootToken>,
    /// Where durable state is.
    pub(crate) storage: Storage,
    /// Where files are.
    pub(crate) files: Files,
    /// The secret that signs tokens; by default one is kept in the store.
    pub(crate) jwt_secret: Option<String>,
    /// The constants of tokens; the secret in it is a placeholder.
    pub(crate) tokens: TokenOptions,
    /// What the login service is told.
    pub(crate) login: hypha_login::Options,
    /// What the hub can be told as it is.
    pub(crate) hub: Options,
    /// What the gateway can be told as it is.
    pub(crate) gateway: hypha_gateway::Options,
    /// What to run with the server.
    pub(crate) startup: hypha_startup::Options,
}

impl Settings {
    /// Checks flags and variables. Also returns what to tell the user.
    ///
    /// # Errors
    /// A value cannot be used; the error names it and says what was expected.
    pub(crate) fn new(flags: Flags, env: &Env) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        let mut gateway = gateway::options(&flags, env)?;
        let mut hub = Options {
            announcement: flags.announcement,
            ..Options::default()
        };
        warnings.extend(numbers::apply(&mut hub, &mut gateway, env));
        check_redis(flags.redis_uri.as_deref())?;
        if flags.reset_redis {
            warnings.push("--reset-redis has no effect: without Redis there is nothing to forget".to_owned());
        }
        let root_token = flags
            .root_token
            .as_deref()
            .map(RootToken::new)
            .transpose()
            .context("--root-token")?;
        let jwt_secret = env
            .get("HYPHA_JWT_SECRET")
            .or_else(|| env.get("JWT_SECRET"))
            .map(str::to_owned);
        if jwt_secret
            .as_ref()
            .is_some_and(|secret| secret.len() < SECRET_LEN)
        {
            let text = "the JWT secret is shorter than 32 bytes and can be guessed; make one with `openssl rand -base64 48`";
            warnings.push(text.to_owned());
        }
        if flags.ephemeral && flags.data_dir.is_some() {
            warnings.push("the data folder is not used: --ephemeral keeps nothing".to_owned());
        }
        let storage = match (flags.ephemeral, flags.database_uri, flags.data_dir) {
            (true, _, _) => Storage::Ephemeral,
            (false, Some(uri), _) => Storage::Database(uri),
            (false, None, Some(folder)) => {
                Storage::Folder(std::path::absolute(folder).context("--data-dir")?)
            }
            (false, None, None) => Storage::Folder(default_folder()?),
        };
        let (files, notes) = Files::new(flags.s3, env)?;
        warnings.extend(notes);
        let tokens = token_options(env);
        let (login, notes) = login::options(flags.enable_local_auth, root_token.is_some(), &tokens, env)?;
        warnings.extend(notes);
        let settings = Self {
            host: flags.host.unwrap_or_else(|| "127.0.0.1".into()),
            port: flags.port.unwrap_or(9527),
            public_base_url: flags
                .public_base_url
                .as_deref()
                .map(public_base_url)
                .transpose()?,
            server_id: flags.server_id.map(server_id).transpose()?,
            root_token,
            storage,
            files,
            jwt_secret,
            tokens,
            login,
            hub,
            startup: startup_options(&flags.startup_functions, env)?,
            gateway,
        };
        Ok((settings, warnings))
    }

    /// Settings of a server that keeps nothing, on a free port of this machine.
    pub(crate) fn ephemeral() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 0,
            public_base_url: None,
            server_id: None,
            root_token: None,
            storage: Storage::Ephemeral,
            files: Files::default(),
            jwt_secret: None,
            tokens: TokenOptions::new(""),
            login: hypha_login::Options::default(),
            hub: Options::default(),
            gateway: hypha_gateway::Options::default(),
            startup: hypha_startup::Options {
                entries: Vec::new(),
                python: PYTHON.into(),
            },
        }
    }

    /// Names and values for the log, without secrets.
    pub(crate) fn shown(&self) -> Vec<(&'static str, String)> {
        let or =
            |value: &Option<String>, otherwise: &str| value.clone().unwrap_or_else(|| otherwise.to_owned());
        vec![
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            (
                "base_path",
                if self.gateway.base_path.is_empty() {
                    "/".into()
                } else {
                    self.gateway.base_path.clone()
                },
            ),
            ("public_base_url", or(&self.public_base_url, "(from the address)")),
            ("server_id", or(&self.server_id, "(kept with the data)")),
            (
                "root_token",
                if self.root_token.is_some() {
                    "***".into()
                } else {
                    "(none)".into()
                },
            ),
            (
                "jwt_secret",
                if self.jwt_secret.is_some() {
                    "***".into()
                } else {
                    "(kept with the data)".into()
                },
            ),
            ("token_issuer", self.tokens.issuer.clone()),
            ("token_audience", self.tokens.audience.clone()),
            ("login", format!("{:?}", self.login)),
            (
                "storage",
                match &self.storage {
                    Storage::Ephemeral => "(memory)".into(),
                    Storage::Folder(folder) => folder.display().to_string(),
                    Storage::Database(uri) => mask::without_password(uri),
                },
            ),
            ("files", format!("{:?}", self.files)),
            ("limits", format!("{:?}", self.hub.limits)),
            ("gateway", format!("{:?}", self.gateway)),
            ("startup_functions", {
                let entries = self.startup.entries.iter().map(ToString::to_string);
                entries.collect::<Vec<_>>().join(" ")
            }),
        ]
    }
}

/// The constants of tokens, as the environment says.
pub(crate) fn token_options(env: &Env) -> TokenOptions {
    let mut tokens = TokenOptions::new("");
    for (variable, slot) in [
        ("AUTH0_ISSUER", &mut tokens.issuer),
        ("AUTH0_AUDIENCE", &mut tokens.audience),
        ("AUTH0_NAMESPACE", &mut tokens.namespace),
    ] {
        if let Some(value) = env.get(variable) {
            *slot = value.to_owned();
        }
    }
    tokens
}

/// What to run with the server, and the interpreter for what is written in Python.
///
/// # Errors
/// An entry that cannot be understood.
fn startup_options(entries: &[String], env: &Env) -> Result<hypha_startup::Options> {
    let entries = entries.iter().map(|entry| hypha_startup::Entry::parse(entry));
    Ok(hypha_startup::Options {
        entries: entries.collect::<Result<_, _>>().context("--startup-functions")?,
        python: env.get("HYPHA_PYTHON").unwrap_or(PYTHON).into(),
    })
}

/// Where data goes when nobody says where.
///
/// # Errors
/// There is no home folder.
pub(crate) fn default_folder() -> Result<PathBuf> {
    let folders = ProjectDirs::from("", "", "hypha").context(
        "there is no home folder to keep data in; name a folder with --data-dir, or use --ephemeral",
    )?;
    Ok(folders.data_dir().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: Flags) -> Result<Settings> {
        Settings::new(
            Flags {
                ephemeral: true,
                ..flags
            },
            &Env::default(),
        )
        .map(|(settings, _)| settings)
    }

    fn error(flags: Flags) -> String {
        format!("{:#}", settings(flags).unwrap_err())
    }

    #[test]
    fn defaults() {
        let settings = settings(Flags::default()).unwrap();
        assert_eq!(
            (
                settings.host.as_str(),
                settings.port,
                settings.gateway.base_path.as_str()
            ),
            ("127.0.0.1", 9527, "")
        );
    }

    #[test]
    fn a_weak_root_token_stops_the_start() {
        let text = |token: &str| {
            error(Flags {
                root_token: Some(token.into()),
                ..Flags::default()
            })
        };
        assert!(text("short").contains("Root token must be at least 32 characters long for security."));
        let simple = text("q7Zk0vXn4wRb2yLm9sPf6uJd8eGhTaVi-admin");
        assert!(
            simple.contains("Root token appears to be too simple (contains 'admin')."),
            "{simple}"
        );
    }

    #[test]
    fn nothing_is_kept_when_that_is_asked_for() {
        let flags = Flags {
            ephemeral: true,
            data_dir: Some("data".into()),
            ..Flags::default()
        };
        let (settings, warnings) = Settings::new(flags, &Env::default()).unwrap();
        assert_eq!(settings.storage, Storage::Ephemeral);
        assert_eq!(
            warnings,
            ["the data folder is not used: --ephemeral keeps nothing"]
        );
    }

    #[test]
    fn nothing_secret_is_shown() {
        let flags = Flags {
            root_token: Some("q7Zk0vXn4wRb2yLm9sPf6uJd8eGhTaVi".into()),
            ..Flags::default()
        };
        let env = Env::of(&[("HYPHA_JWT_SECRET", "sesame")]);
        let (settings, warnings) = Settings::new(
            Flags {
                ephemeral: true,
                ..flags
            },
            &env,
        )
        .unwrap();
        let shown = format!("{:?}{warnings:?}", settings.shown());
        assert!(!shown.contains("q7Zk0") && !shown.contains("sesame"), "{shown}");
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn ids_and_tokens() {
        assert!(
            error(Flags {
                server_id: Some("a b".into()),
                ..Flags::default()
            })
            .contains("--server-id a b")
        );
        let tokens = token_options(&Env::of(&[("AUTH0_ISSUER", "https://id.example.org/")]));
        assert_eq!(tokens.issuer, "https://id.example.org/");
        assert_eq!(tokens.namespace, TokenOptions::new("").namespace);
    }
}
