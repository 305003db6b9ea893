//! The command line over the environment: values of variables become flags that the command line leaves out.
//!
//! Works for any command: the flags are asked for in the definition of the command itself, and every value goes through
//! the same parser as one that was typed.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::env::Env;
use super::mask;

/// A command line with what the environment adds.
pub(crate) struct Merged {
    /// The matches of the whole command.
    pub(crate) matches: ArgMatches,
    /// What to tell the user about variables that were not taken.
    pub(crate) warnings: Vec<String>,
}

/// The variable of a flag: `HYPHA_ROOT_TOKEN` for `root-token`.
pub(crate) fn variable_of(flag: &str) -> String {
    format!("HYPHA_{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// Whether the value of a variable switches something on: `true`, `1`, `yes`, `y`, `on`, in any case.
pub(crate) fn is_true(value: &str) -> bool {
    ["true", "1", "yes", "y", "on"]
        .iter()
        .any(|word| value.trim().eq_ignore_ascii_case(word))
}

/// The flags of a command that have a variable.
pub(crate) fn flags_of(command: &Command) -> impl Iterator<Item = (&Arg, &str)> {
    command
        .get_arguments()
        .filter_map(|arg| Some((arg, arg.get_long()?)))
        .filter(|(_, long)| !["help", "version", "from-env"].contains(long))
}

/// Parses `args` (the name of the program first) with what `env` says for flags of `subcommand` (or of the command
/// itself) that `args` do not have. A value that its flag does not take is left out, with a warning; so is one that
/// `args` contradict.
///
/// # Errors
/// The command line itself is wrong.
pub(crate) fn merge(
    command: &Command,
    subcommand: Option<&str>,
    args: &[OsString],
    env: &Env,
) -> Result<Merged, clap::Error> {
    let mut matches = command.clone().try_get_matches_from(args)?;
    let typed = match subcommand {
        Some(name) => matches.subcommand_matches(name),
        None => Some(&matches),
    };
    let (Some(typed), Some(defined)) = (
        typed,
        subcommand.map_or(Some(command), |name| command.find_subcommand(name)),
    ) else {
        return Ok(Merged {
            matches,
            warnings: Vec::new(),
        });
    };
    let mut warnings = Vec::new();
    let mut candidates = Vec::new();
    for (arg, long) in flags_of(defined) {
        let variable = variable_of(long);
        let Some(value) = env.get(&variable) else { continue };
        if typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            warnings.extend(conflict(typed, arg, long, &variable, value));
        } else {
            candidates.push((long, variable, value, as_args(arg, long, value)));
        }
    }
    let mut all = args.to_vec();
    for (long, variable, value, added) in candidates {
        let before = all.len();
        all.extend(added);
        match command.clone().try_get_matches_from(&all) {
            Ok(taken) => matches = taken,
            Err(error) => {
                all.truncate(before);
                let value = mask::shown(long, value);
                warnings.push(if error.kind() == ErrorKind::ArgumentConflict {
                    format!("{variable}={value} is ignored: another option excludes --{long}")
                } else {
                    format!("{variable}={value} is ignored: --{long} does not take this value")
                });
            }
        }
    }
    Ok(Merged { matches, warnings })
}

/// A warning when a variable says something else than the command line.
fn conflict(typed: &ArgMatches, arg: &Arg, long: &str, variable: &str, value: &str) -> Option<String> {
    let given = if is_switch(arg) {
        "true".to_owned()
    } else {
        let values = typed.get_raw(arg.get_id().as_str()).unwrap_or_default();
        values
            .map(|value| value.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let same = if is_switch(arg) {
        is_true(value)
    } else {
        given == value
    };
    let shown = |value| mask::shown(long, value);
    (!same).then(|| {
        format!(
            "{variable}={} is ignored: the command line says --{long} {}",
            shown(value),
            shown(&given)
        )
    })
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// What one would type for the value of a variable.
fn as_args(arg: &Arg, long: &str, value: &str) -> Vec<OsString> {
    let flag = format!("--{long}");
    match arg.get_action() {
        ArgAction::SetTrue if is_true(value) => vec![flag.into()],
        ArgAction::SetTrue => Vec::new(),
        ArgAction::Append => shlex::split(value)
            .unwrap_or_else(|| value.split_whitespace().map(str::to_owned).collect())
            .into_iter()
            .map(|item| format!("{flag}={item}").into())
            .collect(),
        _ => vec![format!("{flag}={value}").into()],
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;
    use crate::config::flags::Flags;
    use crate::config::inert;

    fn merged(args: &[&str], env: &[(&str, &str)]) -> (Flags, Vec<String>) {
        let args: Vec<OsString> = ["x"].iter().chain(args).map(OsString::from).collect();
        let command = inert::add_flags(Flags::augment_args(Command::new("x")));
        let merged = merge(&command, None, &args, &Env::of(env)).unwrap();
        (Flags::from_arg_matches(&merged.matches).unwrap(), merged.warnings)
    }

    #[test]
    fn the_command_line_wins() {
        let env = [
            ("HYPHA_PORT", "1000"),
            ("HYPHA_HOST", "0.0.0.0"),
            ("HYPHA_ROOT_TOKEN", "sesame"),
        ];
        let (flags, warnings) = merged(&["--port", "2000", "--root-token", "open"], &env);
        assert_eq!((flags.port, flags.host.as_deref()), (Some(2000), Some("0.0.0.0")));
        assert_eq!(flags.root_token.as_deref(), Some("open"));
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].contains("HYPHA_PORT=1000") && warnings[0].contains("--port 2000"),
            "{warnings:?}"
        );
        assert!(
            !warnings.concat().contains("sesame") && !warnings.concat().contains("open "),
            "{warnings:?}"
        );
        // Also when it says what the default is, and silently when both say the same.
        let (flags, warnings) = merged(&["--port=9527", "--host", "0.0.0.0"], &env[..2]);
        assert_eq!((flags.port, warnings.len()), (Some(9527), 1));
    }

    #[test]
    fn booleans_lists_and_numbers() {
        let (flags, warnings) = merged(
            &[],
            &[("HYPHA_EPHEMERAL", " YES "), ("HYPHA_RESET_REDIS", "maybe")],
        );
        assert!(flags.ephemeral && !flags.reset_redis && warnings.is_empty());
        let (flags, warnings) = merged(&[], &[("HYPHA_PORT", "many"), ("HYPHA_SERVER_ID", "-a b")]);
        assert_eq!((flags.port, flags.server_id.as_deref()), (None, Some("-a b")));
        assert_eq!(
            warnings,
            ["HYPHA_PORT=many is ignored: --port does not take this value"]
        );
        let functions = |text: &str| {
            merged(&[], &[("HYPHA_STARTUP_FUNCTIONS", text)])
                .0
                .startup_functions
        };
        assert_eq!(functions("a.py:f  b.py:g"), ["a.py:f", "b.py:g"]);
        assert_eq!(functions("'exec:node w.js' b:g"), ["exec:node w.js", "b:g"]);
        assert_eq!(
            functions("it's a:f"),
            ["it's", "a:f"],
            "a quote that is not closed is a character"
        );
    }

    #[test]
    fn what_the_command_line_contradicts_is_left_out() {
        let (flags, warnings) = merged(&["--ephemeral"], &[("HYPHA_DATABASE_URI", "/data/hub.db")]);
        assert!(flags.ephemeral && flags.database_uri.is_none());
        assert_eq!(
            warnings,
            ["HYPHA_DATABASE_URI=/data/hub.db is ignored: another option excludes --database-uri"]
        );
    }
}
