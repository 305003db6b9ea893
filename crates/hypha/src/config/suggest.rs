//! The nearest name to one that does not exist.

use clap::{Args, Command};

use super::env::Env;
use super::flags::Flags;
use super::merge::{flags_of, variable_of};
use super::{files, inert, login, numbers};

/// How alike two names must be, from 0 to 1, for one to be a misspelling of the other.
const ALIKE: f64 = 0.8;

/// The name among `known` that was probably meant.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    let longest = name.chars().count().max(candidate.chars().count()).max(1);
    (1.0 - distance as f64 / longest as f64 >= ALIKE).then_some(candidate)
}

/// What to tell the user about variables that look as if they were meant for the server and are not known.
pub(crate) fn unknown_variables(env: &Env) -> Vec<String> {
    let command = Flags::augment_args(Command::new("serve"));
    let mut known: Vec<String> = flags_of(&command).map(|(_, long)| variable_of(long)).collect();
    known.extend(inert::FLAGS.iter().map(|inert| variable_of(inert.flag)));
    known.extend(numbers::names().map(str::to_owned));
    known.extend(login::VARIABLES.map(str::to_owned));
    known.push(files::QUOTA.to_owned());
    known.extend(inert::QUIET.map(str::to_owned));
    let is_unknown = |name: &&str| {
        name.starts_with("HYPHA_")
            && !name.starts_with("HYPHA_TEST_")
            && !known.iter().any(|one| one == name)
            && !inert::is_known_variable(name)
    };
    let warning = |name: &str| match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("unknown environment variable {name}; did you mean {meant}?"),
        None => format!("unknown environment variable {name}"),
    };
    env.names().filter(is_unknown).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings() {
        let known = ["HYPHA_ROOT_TOKEN", "HYPHA_PORT", "HYPHA_HOST"];
        assert_eq!(nearest("HYPHA_ROOT_TOKKEN", known), Some("HYPHA_ROOT_TOKEN"));
        assert_eq!(nearest("HYPHA_PROT", known), Some("HYPHA_PORT"));
        assert_eq!(nearest("HYPHA_SOMETHING_ELSE", known), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn variables() {
        let env = Env::of(&[
            ("HYPHA_ROOT_TOKNE", "x"),
            ("HYPHA_PORT", "1"),
            ("HYPHA_JWT_SECRET", "x"),
            ("HYPHA_WS_IDLE_TIMEOUT", "1"),
            ("HYPHA_ENABLE_S3", "true"),
            ("HYPHA_ZEBRA", "x"),
            ("PATH", "x"),
        ]);
        assert_eq!(
            unknown_variables(&env),
            [
                "unknown environment variable HYPHA_ROOT_TOKNE; did you mean HYPHA_ROOT_TOKEN?",
                "unknown environment variable HYPHA_ZEBRA",
            ]
        );
    }
}
