//! Which issuer, as the operator has set it.

use url::Url;

use crate::error::Error;

/// An external issuer.
#[derive(Clone)]
pub struct IssuerOptions {
    url: Url,
    client_id: String,
    client_secret: Option<String>,
    audience: String,
    namespace: String,
}

/// Never shows the secret.
impl std::fmt::Debug for IssuerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerOptions")
            .field("url", &self.url.as_str())
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl IssuerOptions {
    /// An issuer at `domain` (`AUTH0_DOMAIN`): a host, or a URL for issuers below a path, with HTTPS, or HTTP on this
    /// machine. `client_id` is this server's name there; `audience` and `namespace` are those of access tokens and of
    /// the claims `roles` and `email` in them.
    ///
    /// # Errors
    /// The domain is neither, or there is no client id.
    pub fn new(domain: &str, client_id: &str, audience: &str, namespace: &str) -> Result<Self, Error> {
        let bad = || Error::Setting {
            setting: "AUTH0_DOMAIN",
            expected: "a host name, or https://<host>/<path>",
        };
        let text = match domain.contains("://") {
            true => domain.to_owned(),
            false => format!("https://{domain}"),
        };
        let mut url = Url::parse(&text).map_err(|_| bad())?;
        if !is_safe(&url) || url.query().is_some() || url.fragment().is_some() {
            return Err(bad());
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        if client_id.is_empty() {
            return Err(Error::Setting {
                setting: "AUTH0_CLIENT_ID",
                expected: "the id of this server's registration at the issuer",
            });
        }
        Ok(Self {
            url,
            client_id: client_id.to_owned(),
            client_secret: None,
            audience: audience.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// With a secret for the exchange of codes (`AUTH0_CLIENT_SECRET`), for issuers that ask for one.
    pub fn with_secret(mut self, secret: Option<String>) -> Self {
        self.client_secret = secret;
        self
    }

    /// Where it is, with a slash at the end.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn client_secret(&self) -> Option<&str> {
        self.client_secret.as_deref()
    }

    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// Whether what is sent to a URL cannot be read on the way: HTTPS, or a loopback address.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return false,
    };
    let has_no_password = url.username().is_empty() && url.password().is_none();
    has_no_password && (url.scheme() == "https" || (url.scheme() == "http" && is_local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        let url =
            |domain: &str| IssuerOptions::new(domain, "id", "a", "n").map(|options| options.url.to_string());
        assert_eq!(url("id.example.org").unwrap(), "https://id.example.org/");
        assert_eq!(
            url("https://id.example.org/realms/lab").unwrap(),
            "https://id.example.org/realms/lab/"
        );
        assert!(url("http://127.0.0.1:8000").is_ok() && url("http://[::1]:1/").is_ok());
        for bad in [
            "http://id.example.org",
            "ftp://x",
            "",
            "a b",
            "https://u:p@x",
            "https://x/?a=b",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
        let none = IssuerOptions::new("x", "", "a", "n").unwrap_err().to_string();
        assert!(none.starts_with("AUTH0_CLIENT_ID: expected"), "{none}");
    }
}
