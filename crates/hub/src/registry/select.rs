//! Which one of several services with the same name is meant: the selection modes.

/// How one candidate is picked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    /// There must be exactly one.
    Exact,
    Random,
    /// In registration order.
    First,
    Last,
    /// The client with the fewest calls per minute.
    MinLoad,
    /// Random among clients of this hub, else among all.
    NativeRandom,
    /// Ask the candidates themselves, by calling this function of each.
    Ask(Criterion, String),
}

/// What to do with the candidates' answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Criterion {
    Min,
    Max,
    FirstSuccess,
}

/// Why a mode is not one.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum ModeError {
    #[error("Invalid select mode format: {0}. Expected 'select:criteria:function'")]
    Format(String),
    #[error("Unknown selection criteria: {0}; expected 'min', 'max' or 'first_success'")]
    Criterion(String),
    #[error(
        "Invalid mode: {0}; expected 'exact', 'random', 'first', 'last', 'min_load', 'native:random' or \
         'select:criteria:function'"
    )]
    Unknown(String),
}

impl Mode {
    /// Parses the word of a caller.
    pub(crate) fn parse(text: &str) -> Result<Self, ModeError> {
        Ok(match text {
            "exact" => Self::Exact,
            "random" => Self::Random,
            "first" => Self::First,
            "last" => Self::Last,
            "min_load" => Self::MinLoad,
            "native:random" => Self::NativeRandom,
            _ if text.starts_with("select:") || text == "select" => {
                let parts: Vec<&str> = text.split(':').collect();
                let [_, criterion, function] = parts[..] else {
                    return Err(ModeError::Format(text.into()));
                };
                let criterion = match criterion {
                    "min" => Criterion::Min,
                    "max" => Criterion::Max,
                    "first_success" => Criterion::FirstSuccess,
                    other => return Err(ModeError::Criterion(other.into())),
                };
                Self::Ask(criterion, function.into())
            }
            _ => return Err(ModeError::Unknown(text.chars().take(64).collect())),
        })
    }

    /// What is meant when nothing is said: services of `public` exist once per hub and any will do.
    pub(crate) fn default_for(workspace: &str) -> Self {
        if workspace == "public" {
            Self::Random
        } else {
            Self::Exact
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_errors() {
        assert_eq!(Mode::parse("last"), Ok(Mode::Last));
        assert_eq!(
            Mode::parse("select:min:get_load"),
            Ok(Mode::Ask(Criterion::Min, "get_load".into()))
        );
        for (text, error) in [
            (
                "select:min",
                "Invalid select mode format: select:min. Expected 'select:criteria:function'",
            ),
            ("select:best:f", "Unknown selection criteria: best"),
            ("nope", "Invalid mode: nope"),
        ] {
            assert!(Mode::parse(text).unwrap_err().to_string().starts_with(error));
        }
    }
}
