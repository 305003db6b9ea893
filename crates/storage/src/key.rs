//! Names of objects: checked here and nowhere else.
//!
//! A key is a path of segments with `/` between them. What could mean something else to a file system, a URL or a
//! person who reads a log is refused: empty segments, `.` and `..`, backslashes, control characters. Everything else is
//! kept byte for byte: spaces, `%`, `#`, `+`, any script, and names that differ in case or in Unicode form only.
//!
//! No key becomes a file name: objects are files with random names, and the index says which is which. So `a` and
//! `a/b` can exist at once, segments can be long, and case does not matter to any file system.

use std::fmt;

/// Longest key, in bytes, as in S3.
pub const MAX_KEY_LEN: usize = 1024;

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing there.
    #[error("The path is empty")]
    Empty,
    /// More than [`MAX_KEY_LEN`] bytes.
    #[error("The path is too long: {0} bytes, at most {MAX_KEY_LEN} are possible")]
    TooLong(usize),
    /// It starts or ends with a slash, or has two in a row.
    #[error("The path '{0}' has an empty segment: no '/' at the beginning or end, and no '//'")]
    EmptySegment(String),
    /// A segment `.` or `..`.
    #[error("The path '{0}' has a segment '.' or '..'")]
    Dots(String),
    /// A backslash or a control character.
    #[error("The path '{0}' has a character that is not allowed: a backslash or a control character")]
    Character(String),
}

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<str>);

impl Key {
    /// Checks a text.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last slash.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The part before the first slash: the workspace.
    pub fn space(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the keys of a folder begin with: nothing, or a path with a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// The prefix of all keys.
    pub fn root() -> Self {
        Self("".into())
    }

    /// Checks a text: empty, or a path with or without a slash at its end.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::root());
        }
        check(path)?;
        Ok(Self(format!("{path}/").into()))
    }

    /// The text: empty, or with a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first text in byte order after all keys of the folder; `None` for the root, which has no end.
    pub(crate) fn end(&self) -> Option<String> {
        after_folder(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first text after everything that begins with `folder`, which ends with a slash.
pub(crate) fn after_folder(folder: &str) -> Option<String> {
    // '0' follows '/' in byte order.
    folder.strip_suffix('/').map(|folder| format!("{folder}0"))
}

fn check(text: &str) -> Result<(), KeyError> {
    let quoted = || text.chars().take(200).flat_map(char::escape_default).collect();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.len() > MAX_KEY_LEN {
        return Err(KeyError::TooLong(text.len()));
    }
    if text.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(KeyError::Character(quoted()));
    }
    for segment in text.split('/') {
        match segment {
            "" => return Err(KeyError::EmptySegment(quoted())),
            "." | ".." => return Err(KeyError::Dots(quoted())),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_refused() {
        for bad in [
            "", "/", "/a", "a/", "a//b", "..", ".", "../a", "a/..", "a/./b", "a\\b", "..\\a", "a\0", "a\nb",
            "\u{85}", "a/\u{7f}",
        ] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Key::parse(&"a".repeat(MAX_KEY_LEN)).is_ok());
        assert!(Key::parse(&"a".repeat(MAX_KEY_LEN + 1)).is_err());
        for good in [
            "a",
            "a/b c/%2e%2e/#?&+",
            "...",
            ".keep",
            "a./ b",
            "ä/日本",
            "C:/x",
            "con",
        ] {
            assert_eq!(Key::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn prefixes() {
        assert_eq!(Prefix::parse("").unwrap(), Prefix::root());
        assert_eq!(Prefix::parse("a/b").unwrap(), Prefix::parse("a/b/").unwrap());
        for bad in ["/", "a//", "../", "a/../b/"] {
            assert!(Prefix::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Prefix::root().end(), None);
    }

    proptest! {
        /// The end of a folder is where it says: after all of its keys, before or at all that follow.
        #[test]
        fn folders_end_after_their_last_key(folder in "[a-z/.\u{10ffff}-]{1,9}", rest in "\\PC{1,6}") {
            if let (Ok(prefix), Ok(key)) = (Prefix::parse(&folder), Key::parse(&rest)) {
                let end = prefix.end().unwrap();
                let inside = format!("{prefix}{key}");
                prop_assert!(inside < end);
                prop_assert_eq!(key.as_str() >= prefix.as_str() && key.as_str() < end.as_str(),
                    key.as_str().starts_with(prefix.as_str()));
            }
        }
    }
}
