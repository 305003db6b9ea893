//! One start-up function, as the operator writes it.

use std::fmt;

use crate::error::Error;

const EXEC: &str = "exec:";

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `<module or file.py>:<function>`: an asynchronous Python function of one argument.
    Python {
        /// A module that can be imported, or a file whose name ends in `.py`.
        module: String,
        /// The function.
        function: String,
    },
    /// `exec:program arguments`: any program. Not empty; the program comes first.
    Program(Vec<String>),
}

impl Entry {
    /// Reads one entry.
    ///
    /// # Errors
    /// No function is named, or the command line is empty or not closed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(command) = text.strip_prefix(EXEC) {
            return match shlex::split(command) {
                Some(words) if !words.is_empty() => Ok(Self::Program(words)),
                _ => Err(Error::CommandLine(command.to_owned())),
            };
        }
        match text.rsplit_once(':') {
            Some((module, function)) if !module.is_empty() && !function.is_empty() => Ok(Self::Python {
                module: module.to_owned(),
                function: function.to_owned(),
            }),
            _ => Err(Error::Entrypoint(text.trim_end_matches(':').to_owned())),
        }
    }
}

impl fmt::Display for Entry {
    /// Without the arguments of programs, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python { module, function } => write!(f, "{module}:{function}"),
            Self::Program(words) => write!(f, "{EXEC}{}", words.first().map_or("", String::as_str)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let python = |module: &str, function: &str| Entry::Python {
            module: module.into(),
            function: function.into(),
        };
        assert_eq!(Entry::parse("a.b:f").unwrap(), python("a.b", "f"));
        assert_eq!(Entry::parse("./x/a.py:f").unwrap(), python("./x/a.py", "f"));
        let Entry::Program(words) = Entry::parse("exec:node 'my worker.js' --n=1").unwrap() else {
            panic!("a program")
        };
        assert_eq!(words, ["node", "my worker.js", "--n=1"]);
    }

    #[test]
    fn errors_say_what_is_missing() {
        for text in ["a.py", "a.py:"] {
            assert_eq!(
                Entry::parse(text).unwrap_err().to_string(),
                "Entrypoint is required for a.py, please use a.py:entrypoint_function"
            );
        }
        for text in ["exec:", "exec: ", "exec:'a"] {
            assert!(matches!(Entry::parse(text), Err(Error::CommandLine(_))), "{text}");
        }
    }

    #[test]
    fn arguments_are_not_shown() {
        assert_eq!(
            Entry::parse("exec:run --key=secret").unwrap().to_string(),
            "exec:run"
        );
    }
}
