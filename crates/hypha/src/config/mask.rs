//! What may be shown of a value that is, or contains, a secret.

/// Names of flags and variables whose whole value is a secret contain one of these.
const SECRET: [&str; 6] = ["token", "secret", "password", "api-key", "access-key", "private"];

/// Whether the value of a flag or variable is a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    // The life of a token is a number.
    SECRET.iter().any(|word| name.contains(word)) && !name.contains("life-time")
}

/// The value of a flag or variable, as it may be shown.
pub(crate) fn shown(name: &str, value: &str) -> String {
    if is_secret(name) {
        "***".to_owned()
    } else {
        without_password(value)
    }
}

/// A text with the password of a URL in it replaced. Other texts stay as they are.
pub(crate) fn without_password(text: &str) -> String {
    let parts = text.split_once("://").and_then(|(scheme, rest)| {
        // Up to the last `@`: a password may contain anything, also what should be escaped in it.
        let (credentials, place) = rest.rsplit_once('@')?;
        let (user, _password) = credentials.split_once(':')?;
        Some((scheme, user, place))
    });
    match parts {
        Some((scheme, user, place)) => format!("{scheme}://{user}:***@{place}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "root-token",
            "HYPHA_JWT_SECRET",
            "secret-access-key",
            "minio-root-password",
            "OPENAI_API_KEY",
        ] {
            assert!(is_secret(name), "{name}");
            assert_eq!(shown(name, "hunter2"), "***");
        }
        for name in ["host", "HYPHA_PORT", "RECONNECTION_TOKEN_LIFE_TIME"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn passwords_in_urls() {
        for (url, expected) in [
            ("redis://:hunter2@host:6379/0", "redis://:***@host:6379/0"),
            (
                "postgresql+asyncpg://ada:hunter2@host/db",
                "postgresql+asyncpg://ada:***@host/db",
            ),
            ("redis://ada@host", "redis://ada@host"),
            ("sqlite:////data/hub.db", "sqlite:////data/hub.db"),
            ("http://host:9527/base", "http://host:9527/base"),
            ("/plain/path", "/plain/path"),
        ] {
            assert_eq!(shown("uri", url), expected);
        }
        for odd in [
            "redis://u:hunter2/x@host",
            "redis://u:hunter2@y@host/0",
            "redis://u:hunter2?a@h",
        ] {
            assert!(!shown("uri", odd).contains("hunter2"), "{}", shown("uri", odd));
        }
    }
}
