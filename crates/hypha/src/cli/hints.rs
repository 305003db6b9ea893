//! What to do about an error.

use hypha_rpc::{Error, ErrorKind};

/// Advice for the user, if there is any.
pub(super) fn of(error: &anyhow::Error) -> Option<&'static str> {
    let error = error.chain().find_map(|cause| cause.downcast_ref::<Error>())?;
    match error {
        Error::Connect(_) => Some(
            "is a server running there? `hypha serve` starts one; --server-url (HYPHA_SERVER_URL) names another; \
             `hypha doctor` looks closer",
        ),
        Error::Refused(text)
            if mentions(
                text,
                &["token", "signature", "expired", "revoked", "audience", "issuer"],
            ) =>
        {
            Some(
                "`hypha login` gets a new token; a program takes one that `hypha token` made, with --token or HYPHA_TOKEN",
            )
        }
        Error::Refused(_) => Some("check --workspace and --token; `hypha workspaces` lists where you may go"),
        Error::Remote {
            kind: ErrorKind::PermissionError,
            ..
        } => Some("somebody who may do this can make you a token with `hypha token`; give it with --token"),
        Error::Remote {
            kind: ErrorKind::KeyError,
            message,
            ..
        } if mentions(message, &["hypha-login"]) => Some(
            "this server has no login page; `hypha login --token-stdin` takes a token that somebody has made for you",
        ),
        Error::Remote {
            kind: ErrorKind::KeyError,
            message,
            ..
        } if mentions(message, &["service"]) => {
            Some("`hypha services` lists what is there; --workspace looks elsewhere")
        }
        Error::PeerGone { .. } => {
            Some("the client that offers this is not connected any more; try again later")
        }
        Error::Timeout { .. } => {
            Some("the client that offers this is busy or stuck; `hypha ping CLIENT` tells")
        }
        _ => None,
    }
}

fn mentions(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_clients_have_advice() {
        let hint = |error: Error| of(&anyhow::Error::from(error).context("while calling"));
        assert!(
            hint(Error::Connect("refused".into()))
                .unwrap()
                .contains("hypha serve")
        );
        assert!(
            hint(Error::Refused("The token has expired".into()))
                .unwrap()
                .contains("--token")
        );
        assert!(
            hint(Error::Refused("Permission denied for workspace x".into()))
                .unwrap()
                .contains("--workspace")
        );
        let no_login = Error::Remote {
            kind: ErrorKind::KeyError,
            message: "Service not found: public/*:hypha-login@*".into(),
            trace: String::new(),
        };
        assert!(hint(no_login).unwrap().contains("--token-stdin"));
        assert!(of(&anyhow::anyhow!("else")).is_none());
    }
}
