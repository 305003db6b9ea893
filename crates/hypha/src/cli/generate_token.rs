//! `hypha-server generate-token`: a token made with the server's secret, without asking the server.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use hypha_hub::auth::{Permission, ScopeInfo, TokenIssuer, TokenOptions, UserInfo};
use hypha_hub::durable::DurableStore;
use hypha_hub::ids::{ClientId, WorkspaceId, random_id};
use hypha_store::{Location, Store};

use super::output;
use crate::config::env::Env;
use crate::config::settings::{Storage, default_folder, token_options};
use crate::serve::{SECRET_KEY, unix_now};

/// Make a token without asking a server.
#[derive(Args, Debug)]
#[command(after_help = "\
The secret is HYPHA_JWT_SECRET, or the one in the data folder of the server.

Example:
  hypha-server generate-token --user-id ada --workspace my-lab --permission admin --expires-in 86400")]
pub(super) struct GenerateToken {
    /// Workspace that the token is for [default: the user's own]
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Its life in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    expires_in: u64,
    /// The only client id that may use it
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The user that its bearer is [default: a made-up anonymous one]
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// A role of the user; can be repeated [default: anonymous]
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The user's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Workspace and permission in one: <workspace>#<permission>
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// What its bearer may do
    #[arg(long, value_name = "LEVEL", default_value = "read_write", value_parser = ["read", "read_write", "admin"])]
    permission: String,
    /// Data folder of the server, for its secret [default: the platform's folder for data]
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

/// Makes the token; it is the last line on standard output.
///
/// # Errors
/// There is no secret, or an argument is malformed.
pub(super) async fn run(args: GenerateToken, env: &Env) -> Result<()> {
    let secret = match env.get("HYPHA_JWT_SECRET").or_else(|| env.get("JWT_SECRET")) {
        Some(secret) => secret.to_owned(),
        None => stored_secret(args.data_dir.clone(), env).await?,
    };
    let issuer = TokenIssuer::new(TokenOptions {
        secret,
        ..token_options(env)
    });
    let (user, workspace, permission) = user(&args)?;
    let token = issuer.issue(&user, args.expires_in, unix_now())?;
    output::line(&format!(
        "Generated token for user '{}':\n  Workspace: {workspace}\n  Permission: {permission}\n  Expires in: {} seconds\n  \
         Roles: {}\n\nToken:\n{token}",
        user.id,
        args.expires_in,
        user.roles.join(", "),
    ))
}

/// The bearer, the workspace and the permission that arguments ask for.
fn user(args: &GenerateToken) -> Result<(UserInfo, WorkspaceId, Permission)> {
    let id = args
        .user_id
        .clone()
        .unwrap_or_else(|| format!("anonymous-{}", random_id(&mut rand::rng())));
    let (workspace, permission) = match args.scope.as_deref() {
        Some(scope) => match scope.split_once('#') {
            Some((workspace, permission)) => (Some(workspace), permission),
            None => (Some(scope), args.permission.as_str()),
        },
        None => (args.workspace.as_deref(), args.permission.as_str()),
    };
    let workspace = match workspace {
        Some(workspace) => WorkspaceId::parse(workspace)?,
        None => WorkspaceId::home_of(&id).context("--user-id")?,
    };
    let permission = Permission::parse(permission).with_context(|| {
        format!("--scope: expected read, read_write or admin after '#', got {permission:?}")
    })?;
    let client_id = args.client_id.as_deref().map(ClientId::parse).transpose()?;
    let roles = if args.roles.is_empty() {
        vec!["anonymous".to_owned()]
    } else {
        args.roles.clone()
    };
    let scope = ScopeInfo {
        current_workspace: Some(workspace.to_string()),
        workspaces: [(workspace.to_string(), permission)].into(),
        client_id: client_id.map(|id| id.to_string()),
        extra_scopes: Vec::new(),
    };
    let user = UserInfo {
        roles,
        scope,
        email: args.email.clone(),
        ..UserInfo::new(id)
    };
    Ok((user, workspace, permission))
}

/// The secret that a server keeps with its data. Nothing is made: a secret that no server has makes useless tokens.
async fn stored_secret(folder: Option<PathBuf>, env: &Env) -> Result<String> {
    let folder = match folder.or_else(|| env.get("HYPHA_DATA_DIR").map(PathBuf::from)) {
        Some(folder) => folder,
        None => default_folder()?,
    };
    let file = folder.join(Storage::DATABASE);
    let advice = "set HYPHA_JWT_SECRET to the server's, or name the server's data folder with --data-dir";
    if !file.exists() {
        bail!("there is no server's data in {}; {advice}", folder.display());
    }
    let store = Store::open(&Location::File(file)).await?;
    let secret = store.setting(SECRET_KEY).await?;
    store.close().await;
    secret.with_context(|| {
        format!(
            "the server with the data in {} does not keep its secret there; {advice}",
            folder.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: GenerateToken,
    }

    fn made(words: &[&str]) -> Result<(UserInfo, WorkspaceId, Permission)> {
        user(&Program::parse_from([&["x"], words].concat()).args)
    }

    #[test]
    fn defaults_and_scopes() {
        let (user, workspace, permission) = made(&["--user-id", "ada"]).unwrap();
        assert_eq!(
            (workspace.as_str(), permission),
            ("ws-user-ada", Permission::ReadWrite)
        );
        assert_eq!(user.roles, ["anonymous"]);
        let (user, workspace, permission) =
            made(&["--scope", "lab-1#a", "--workspace", "other", "--role", "x"]).unwrap();
        assert_eq!((workspace.as_str(), permission), ("lab-1", Permission::Admin));
        assert_eq!(user.scope.to_text().unwrap(), "ws:lab-1#a wid:lab-1");
        assert!(user.id.starts_with("anonymous-"));
        let (_, workspace, permission) = made(&["--scope", "lab-1", "--permission", "read"]).unwrap();
        assert_eq!((workspace.as_str(), permission), ("lab-1", Permission::Read));
    }

    #[test]
    fn malformed_arguments() {
        for bad in [
            ["--scope", "lab#x"],
            ["--workspace", "a b"],
            ["--client-id", "*"],
            ["--user-id", "a b"],
        ] {
            assert!(made(&bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn without_data_nothing_is_made_up() {
        let folder = tempfile::tempdir().unwrap();
        let error = stored_secret(Some(folder.path().into()), &Env::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("HYPHA_JWT_SECRET"), "{error}");
        assert!(!folder.path().join(Storage::DATABASE).exists());
    }
}
