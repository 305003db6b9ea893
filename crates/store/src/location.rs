//! Where the data is: a path, or a database URL in one of the forms that users of the original server have.

use std::path::PathBuf;

/// Why a text does not say where the data is. Never repeats the text: database URLs contain passwords.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// A path is missing.
    #[error("The database path is empty; expected a path, or sqlite:///<path>")]
    Empty,
    /// A SQLite URL names a host.
    #[error(
        "A SQLite URL has no host: expected three slashes before the path \
         (four when it is absolute), as in sqlite:///hub.db"
    )]
    Host,
    /// PostgreSQL.
    #[error("PostgreSQL is not supported as the hub's database yet; use a path, or sqlite:///<path>")]
    Postgres,
    /// Another database.
    #[error("Unknown kind of database '{0}'; use a path, or sqlite:///<path>")]
    Scheme(String),
}

/// Where a [`Store`](crate::Store) keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file, made if it is missing, together with its folder.
    File(PathBuf),
    /// Memory: gone when the store is closed.
    Memory,
}

impl Location {
    /// Reads a plain path or a URL: `sqlite:///relative/path`, `sqlite:////absolute/path`, `sqlite://`
    /// (memory), each also with the driver part that the original wants (`sqlite+aiosqlite:///path`). Options
    /// after `?` are for that driver and are ignored.
    ///
    /// # Errors
    /// An empty path, a host, or another kind of database.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::from_path(text).ok_or(LocationError::Empty);
        };
        let kind = scheme.split_once('+').map_or(scheme, |(kind, _driver)| kind);
        match kind.to_ascii_lowercase().as_str() {
            "sqlite" => {
                let path = rest.split_once('?').map_or(rest, |(path, _options)| path);
                match path.strip_prefix('/') {
                    Some(path) => Ok(Self::from_path(path).unwrap_or(Self::Memory)),
                    None if path.is_empty() => Ok(Self::Memory),
                    None => Err(LocationError::Host),
                }
            }
            "postgres" | "postgresql" => Err(LocationError::Postgres),
            kind => Err(LocationError::Scheme(kind.chars().take(32).collect())),
        }
    }

    fn from_path(path: &str) -> Option<Self> {
        match path {
            "" => None,
            ":memory:" => Some(Self::Memory),
            path => Some(Self::File(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_forms() {
        let file = |path: &str| Ok(Location::File(path.into()));
        for (text, expected) in [
            ("hub.db", file("hub.db")),
            (" /var/lib/hub.db ", file("/var/lib/hub.db")),
            ("sqlite:///hub.db", file("hub.db")),
            ("sqlite:////var/lib/hub.db", file("/var/lib/hub.db")),
            ("sqlite+aiosqlite:///data/hub.db?timeout=5", file("data/hub.db")),
            ("sqlite+aiosqlite:////data/hub.db", file("/data/hub.db")),
            ("SQLITE:///C:/hub.db", file("C:/hub.db")),
            (":memory:", Ok(Location::Memory)),
            ("sqlite://", Ok(Location::Memory)),
            ("sqlite:///:memory:", Ok(Location::Memory)),
            ("", Err(LocationError::Empty)),
            ("sqlite://hub.db", Err(LocationError::Host)),
            ("postgresql+asyncpg://u:p@h/db", Err(LocationError::Postgres)),
            ("postgres://u:p@h/db", Err(LocationError::Postgres)),
            ("mysql://u:p@h/db", Err(LocationError::Scheme("mysql".into()))),
        ] {
            assert_eq!(Location::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn errors_do_not_repeat_passwords() {
        for url in [
            "mysql://u:hunter2@h/db",
            "postgresql://u:hunter2@h/db",
            "sqlite://u:hunter2@h/db",
        ] {
            assert!(!Location::parse(url).unwrap_err().to_string().contains("hunter2"));
        }
    }
}
