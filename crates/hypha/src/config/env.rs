//! The environment as one value, read once.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Environment variables. Empty ones and those that are not Unicode count as not set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Env(BTreeMap<String, String>);

impl Env {
    /// The variables of this process.
    pub(crate) fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Some of the variables.
    pub(crate) fn only(&self, names: &[&str]) -> Self {
        let is_wanted = |(name, _): &(String, String)| names.contains(&name.as_str());
        self.0.clone().into_iter().filter(is_wanted).collect()
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .filter(|(_, value)| !value.trim().is_empty())
                .collect(),
        )
    }
}

/// Adds what a `.env` file in this folder or one above it says to the environment of the process; variables that are
/// set already win. To be called while there is one thread only. Returns the file, if there is one.
///
/// # Errors
/// The file cannot be read or understood; a text for the user.
pub(crate) fn load_file() -> Result<Option<PathBuf>, String> {
    match dotenvy::dotenv() {
        Ok(path) => Ok(Some(path)),
        Err(error) if error.not_found() => Ok(None),
        // The library repeats the line that it does not understand, which may hold a secret.
        Err(dotenvy::Error::LineParse(_, position)) => Err(format!(
            ".env: a line is not of the form NAME=value (at its character {position}); the rest of the file is not read"
        )),
        Err(error) => Err(format!(".env: {error}")),
    }
}

#[cfg(test)]
impl Env {
    /// An environment for a test.
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_unset() {
        let env = Env::of(&[("A", ""), ("B", " "), ("C", "c")]);
        assert_eq!(env.names().collect::<Vec<_>>(), ["C"]);
        assert_eq!((env.get("A"), env.get("C")), (None, Some("c")));
    }
}
