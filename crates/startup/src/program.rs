//! Programs in other languages: `exec:`.
//!
//! A program finds the server by its environment: `HYPHA_SERVER_URL`, `HYPHA_WORKSPACE` and `HYPHA_TOKEN`. It is started
//! and not waited for.

use std::env;
use std::path::Path;
use std::process::ExitStatus;

use hypha_hub::Hub;
use hypha_hub::auth::revoked::token_hash;
use hypha_hub::auth::{Permission, UserInfo};
use hypha_hub::ids::{WorkspaceId, random_id};
use tokio::process::{ChildStdin, Command};

use crate::desk::unix_now;
use crate::error::Error;
use crate::process::{Label, Process, log};

/// Life of the token, in seconds: thirty days. It ends with the process, if that is earlier.
const TOKEN_LIFE: u64 = 30 * 24 * 3600;

/// Runs the program, and kills the whole group when its own input ends, which happens when the server is gone. It lives
/// as long as the program does, also when both are asked to end.
const GUARD: &str = r#"trap : TERM
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
( read -r _; kill -KILL 0 ) <&3 >/dev/null 2>&1 3<&- &
exec 3<&- >/dev/null 2>&1
wait "$program"
status=$?
while kill -0 "$program"; do
    wait "$program"
    status=$?
done
exit "$status""#;

/// A running program.
pub(crate) struct Program {
    process: Process,
    /// Closed when the server ends, however that happens.
    _alive: Option<ChildStdin>,
    _token: Token,
}

/// The token of a program, which is refused once the program has ended.
struct Token {
    hub: Hub,
    text: String,
    expires_at: u64,
}

impl Drop for Token {
    fn drop(&mut self) {
        let revoked = self.hub.authenticator().revoked();
        revoked.insert(token_hash(&self.text), self.expires_at);
    }
}

impl Program {
    /// Starts a program: its name and its arguments.
    ///
    /// # Errors
    /// There is no such program, or no token could be made.
    pub(crate) async fn start(hub: &Hub, words: &[String]) -> Result<Self, Error> {
        let name = words.first().map_or("", String::as_str);
        if !exists(name) {
            return Err(Error::NoProgram(name.to_owned()));
        }
        let token = token(hub).await?;
        let label = Label::default();
        *label.lock() = name.to_owned();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GUARD, "hypha-startup"])
            .args(words)
            .env("HYPHA_SERVER_URL", &hub.options().local_base_url)
            .env("HYPHA_WORKSPACE", WorkspaceId::public().as_str())
            .env("HYPHA_TOKEN", &token.text);
        let (process, alive, stdout) =
            Process::start(&mut command, &label, &token.text).map_err(|source| Error::Spawn {
                what: name.to_owned(),
                source,
            })?;
        if let Some(stdout) = stdout {
            log(stdout, label, token.text.clone());
        }
        Ok(Self {
            process,
            _alive: alive,
            _token: token,
        })
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    /// Waits until it has ended.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}

/// A token for a child of the root user, for everything, that starts out in `public`.
async fn token(hub: &Hub) -> Result<Token, Error> {
    let mut user = UserInfo::new(random_id(&mut rand::rng()));
    user.parent = Some(UserInfo::root().id);
    user.scope.workspaces.insert("*".into(), Permission::Admin);
    user.scope.current_workspace = Some(WorkspaceId::public().to_string());
    let now = unix_now();
    let text = hub.authenticator().issue(&user, TOKEN_LIFE, now).await?;
    Ok(Token {
        hub: hub.clone(),
        text,
        expires_at: now + TOKEN_LIFE,
    })
}

/// Whether the shell would find a program.
fn exists(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).is_file();
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_the_shell_finds_them() {
        assert!(exists("sh") && exists("/bin/sh"));
        assert!(!exists("no-such-program") && !exists("./no-such-program") && !exists(""));
    }
}
