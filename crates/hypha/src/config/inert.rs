//! The original server's flags and variables that have no effect here, and why. They are accepted by `hypha-server`, and
//! named at start when they are used: nothing is pretended.

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::env::Env;
use super::merge::{is_true, variable_of};

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// One value.
    Value,
}

/// Why a flag or variable has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// This feature is not built yet.
    NotYet(&'static str),
    /// Nothing here needs it.
    NotNeeded(&'static str),
}

/// A flag without effect.
pub(crate) struct Inert {
    /// The name, without the dashes.
    pub(crate) flag: &'static str,
    takes: Takes,
    why: Why,
}

const fn inert(flag: &'static str, takes: Takes, why: Why) -> Inert {
    Inert { flag, takes, why }
}

use Takes::{Nothing, Value};
use Why::{NotNeeded, NotYet};

const GIT: Why = NotYet("Git storage");
const PROXY: Why = NotNeeded("files of an S3 server always go through this server");
const APPS: Why = NotYet("server apps");
const SEARCH: Why = NotYet("search for services by meaning");
const MINIO: Why = NotNeeded("no MinIO is started by this server");
const SHELL: Why = NotNeeded("there is no Python shell; use the commands of `hypha`");

/// All flags of the original that have no effect here.
pub(crate) const FLAGS: [Inert; 31] = [
    inert(
        "migrate-database",
        Value,
        NotNeeded("the schema is brought up to date at every start"),
    ),
    inert(
        "enable-admin-terminal",
        Nothing,
        NotYet("the terminal for administrators"),
    ),
    inert("endpoint-url-public", Value, PROXY),
    inert("s3-admin-type", Value, MINIO),
    inert("enable-s3-proxy", Nothing, PROXY),
    inert(
        "executable-path",
        Value,
        NotNeeded("no helper programs are downloaded"),
    ),
    inert(
        "cache-dir",
        Value,
        NotNeeded("nothing is downloaded that could be cached"),
    ),
    inert("start-minio-server", Nothing, MINIO),
    inert("minio-workdir", Value, MINIO),
    inert("minio-port", Value, MINIO),
    inert("minio-console-port", Value, MINIO),
    inert("minio-root-user", Value, MINIO),
    inert("minio-root-password", Value, MINIO),
    inert("minio-version", Value, MINIO),
    inert("mc-version", Value, MINIO),
    inert("minio-file-system-mode", Nothing, MINIO),
    inert("enable-server-apps", Nothing, APPS),
    inert(
        "in-docker",
        Nothing,
        NotNeeded("no browser is started by this server"),
    ),
    inert("disable-ssl", Nothing, APPS),
    inert("enable-service-search", Nothing, SEARCH),
    inert("ollama-host", Value, SEARCH),
    inert("openai-base-url", Value, SEARCH),
    inert("openai-api-key", Value, SEARCH),
    inert("enable-mcp", Nothing, NotYet("the MCP gateway")),
    inert("enable-a2a", Nothing, NotYet("the A2A gateway")),
    inert("disable-agent-skills", Nothing, NotYet("the agent skills pages")),
    inert("enable-k8s-worker", Nothing, NotYet("the Kubernetes worker")),
    inert("enable-terminal-worker", Nothing, NotYet("the terminal worker")),
    inert("triton-servers", Value, NotYet("the proxy for inference servers")),
    inert("interactive", Nothing, SHELL),
    inert("enable-server", Nothing, SHELL),
];

/// Variables of the original, beside those of its flags, that have no effect here, by the beginning of their names.
const VARIABLES: [(&str, Why); 10] = [
    (
        "HYPHA_LOGIN_PING_TIMEOUT",
        NotNeeded("a login service that has gone is noticed at once"),
    ),
    (
        "HYPHA_EXPOSE_DETAILED_ERRORS",
        NotNeeded("errors never carry stack traces"),
    ),
    (
        "HYPHA_STREAM_MAX_QUEUE_DROPS",
        NotNeeded("nothing is dropped from a stream; HYPHA_WS_OUTBOX_BYTES bounds what waits for a client"),
    ),
    ("HYPHA_REDIS_", NotYet("several servers on one Redis")),
    ("HYPHA_EVENTBUS_", NotYet("several servers on one Redis")),
    ("HYPHA_SERVER_CHECK_", NotYet("several servers on one Redis")),
    (
        "HYPHA_ORPHAN_REAP_",
        NotNeeded("a connection and all it registered end together"),
    ),
    ("HYPHA_S3_DISABLE_PROXY", PROXY),
    ("HYPHA_GIT_", GIT),
    (
        "HYPHA_DISABLE_INPROCESS_BROWSER_WORKER",
        NotNeeded("no worker runs inside the server"),
    ),
];

/// Variables that something reads, or that are known to mean nothing for a server, so that no warning is due.
pub(crate) const QUIET: [&str; 15] = [
    "HYPHA_JWT_SECRET",
    "HYPHA_LOGLEVEL",
    "HYPHA_SERVER_URL",
    "HYPHA_TOKEN",
    "HYPHA_TOKEN_FILE",
    "HYPHA_WORKSPACE",
    "HYPHA_CLIENT_ID",
    "HYPHA_PROFILE",
    "HYPHA_CONFIG_DIR",
    "HYPHA_CONCURRENCY_LIMIT",
    "HYPHA_MALLOC_TRIM_INTERVAL",
    "HYPHA_ACCESS_LOG",
    "HYPHA_FROM_ENV",
    "HYPHA_PYTHON",
    "HYPHA_BIN",
];

/// Adds the flags to a command.
pub(crate) fn add_flags(command: Command) -> Command {
    FLAGS.iter().fold(command, |command, inert| {
        let arg = Arg::new(inert.flag)
            .long(inert.flag)
            .help(inert.why.sentence())
            .help_heading("Without effect here");
        command.arg(match inert.takes {
            Nothing => arg.action(ArgAction::SetTrue),
            Value => arg.action(ArgAction::Set).value_name("VALUE"),
        })
    })
}

/// What to say about the flags that were used on the command line.
pub(crate) fn used_flags(matches: &ArgMatches) -> Vec<String> {
    let used = |inert: &&Inert| match inert.takes {
        Nothing => matches.get_flag(inert.flag),
        Value => matches.contains_id(inert.flag),
    };
    FLAGS
        .iter()
        .filter(used)
        .map(|inert| format!("--{} has no effect: {}", inert.flag, inert.why.sentence()))
        .collect()
}

/// What to say about variables of flags, for a command that does not have the flags.
pub(crate) fn used_flag_variables(env: &Env) -> Vec<String> {
    let used = |inert: &Inert| {
        let variable = variable_of(inert.flag);
        let value = env.get(&variable)?;
        let is_used = inert.takes != Nothing || is_true(value);
        is_used.then(|| format!("{variable} has no effect: {}", inert.why.sentence()))
    };
    FLAGS.iter().filter_map(used).collect()
}

/// What to say about the other variables.
pub(crate) fn used_variables(env: &Env) -> Vec<String> {
    let used = |name: &str| Some(format!("{name} has no effect: {}", reason(name)?.sentence()));
    env.names().filter_map(used).collect()
}

/// Whether a variable is one of those.
pub(crate) fn is_known_variable(name: &str) -> bool {
    FLAGS.iter().any(|inert| variable_of(inert.flag) == name)
        || reason(name).is_some()
        || QUIET.contains(&name)
}

fn reason(name: &str) -> Option<Why> {
    // A flag that has an effect, or says itself that it has none.
    if name == "HYPHA_REDIS_URI" {
        return None;
    }
    VARIABLES
        .iter()
        .find(|(start, _)| name.starts_with(start))
        .map(|(_, why)| *why)
}

impl Why {
    fn sentence(self) -> String {
        match self {
            Self::NotYet(feature) => format!("this version does not have {feature} yet"),
            Self::NotNeeded(reason) => reason.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_ones_are_named() {
        let command = add_flags(Command::new("x"));
        let args = ["x", "--enable-mcp", "--minio-port=9000"];
        let used = used_flags(&command.get_matches_from(args));
        assert_eq!(
            used,
            [
                "--minio-port has no effect: no MinIO is started by this server",
                "--enable-mcp has no effect: this version does not have the MCP gateway yet",
            ]
        );
    }

    #[test]
    fn variables() {
        let env = Env::of(&[
            ("HYPHA_ENABLE_S3_PROXY", "false"),
            ("HYPHA_ENABLE_MCP", "yes"),
            ("HYPHA_GIT_PACK_RANGE_CHUNK", "1"),
            ("HYPHA_REDIS_URI", "redis://h"),
        ]);
        let expected = "HYPHA_ENABLE_MCP has no effect: this version does not have the MCP gateway yet";
        assert_eq!(used_flag_variables(&env), [expected]);
        assert_eq!(used_variables(&env).len(), 1);
        assert!(used_variables(&env)[0].starts_with("HYPHA_GIT_PACK_RANGE_CHUNK has no effect"));
        assert!(is_known_variable("HYPHA_ENABLE_S3_PROXY") && !is_known_variable("HYPHA_ENABLE_S4"));
    }
}
