//! What the gateway is told: base path, proxies, origins, static mounts.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use hypha_gateway::{Options, Origins, StaticMount};
use hypha_hub::ids::is_top_level_route;
use ipnet::IpNet;

use super::checks::base_path;
use super::env::Env;
use super::flags::Flags;

/// Checks the flags that are about the gateway.
///
/// # Errors
/// A value cannot be used; the error names the flag and says what was expected.
pub(super) fn options(flags: &Flags, env: &Env) -> Result<Options> {
    let origins = flags
        .allow_origins
        .as_deref()
        .filter(|text| !text.trim().is_empty())
        .or_else(|| env.get("ALLOW_ORIGINS"))
        .unwrap_or("*");
    let mut static_mounts: Vec<StaticMount> = Vec::new();
    for text in &flags.static_mounts {
        let mount = static_mount(text)?;
        if static_mounts.iter().any(|other| other.name == mount.name) {
            bail!(
                "--static-mounts {text}: The route '{}' collides with an existing route.",
                mount.name
            );
        }
        static_mounts.push(mount);
    }
    Ok(Options {
        base_path: base_path(flags.base_path.as_deref().unwrap_or("/"))?,
        trusted_proxies: flags
            .trusted_proxies
            .iter()
            .map(|text| trusted_proxy(text))
            .collect::<Result<_>>()?,
        origins: parse_origins(origins)?,
        static_mounts,
        ..Options::default()
    })
}

/// A proxy that is believed: an address or a network.
fn trusted_proxy(text: &str) -> Result<IpNet> {
    let parsed = text
        .parse()
        .or_else(|_| text.parse().map(|ip: IpAddr| IpNet::from(ip)));
    parsed.map_err(|_| {
        anyhow!("--trusted-proxies {text}: expected an address or a network, as in 10.0.0.7 or 10.0.0.0/8")
    })
}

/// `*`, or origins with commas between them.
fn parse_origins(text: &str) -> Result<Origins> {
    let names: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.contains(&"*") {
        return Ok(Origins::Any);
    }
    let origin = |name: &&str| {
        let host = name.split_once("://").map(|(_, host)| host);
        let is_origin =
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '*', '@']));
        let value = name.to_ascii_lowercase().parse().ok().filter(|_| is_origin);
        value.ok_or_else(|| {
            anyhow!("--allow-origins {name}: expected * or <scheme>://<host>[:<port>], with commas between several")
        })
    };
    Ok(Origins::Only(names.iter().map(origin).collect::<Result<_>>()?))
}

/// `/<name>:<folder>`.
fn static_mount(text: &str) -> Result<StaticMount> {
    let fail = |problem: String| anyhow!("--static-mounts {text}: {problem}");
    let (path, folder) = text
        .split_once(':')
        .filter(|(path, folder)| path.starts_with('/') && !folder.is_empty())
        .ok_or_else(|| fail("expected /<name>:<folder>".into()))?;
    let name = path.trim_matches('/');
    if name.contains('/') {
        return Err(fail("Only top-level routes are supported.".into()));
    }
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    if name.is_empty() || matches!(name, "." | "..") || !name.bytes().all(is_plain) {
        return Err(fail("the name is to be of letters, digits and - _ . ~".into()));
    }
    if (is_top_level_route(name) && name != "static") || name == "public" {
        return Err(fail(format!(
            "The route '{name}' collides with an existing route."
        )));
    }
    let folder = PathBuf::from(folder);
    if !folder.is_dir() {
        return Err(fail(format!(
            "The directory '{}' does not exist.",
            folder.display()
        )));
    }
    Ok(StaticMount {
        name: name.to_owned(),
        folder: std::path::absolute(folder)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_proxies() {
        for (text, expected) in [
            ("10.0.0.7", "10.0.0.7/32"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(trusted_proxy(text).unwrap().to_string(), expected);
        }
        let text = trusted_proxy("*").unwrap_err().to_string();
        assert!(
            text.contains("--trusted-proxies *: expected an address"),
            "{text}"
        );
    }

    #[test]
    fn origins() {
        let of = |flag: Option<&str>, variable: &[(&str, &str)]| {
            let flags = Flags {
                allow_origins: flag.map(str::to_owned),
                ..Flags::default()
            };
            options(&flags, &Env::of(variable)).map(|options| options.origins)
        };
        assert_eq!(of(None, &[]).unwrap(), Origins::Any);
        let only = |names: &[&str]| Origins::Only(names.iter().map(|name| name.parse().unwrap()).collect());
        let variable = [("ALLOW_ORIGINS", "https://a.example.org")];
        assert_eq!(of(None, &variable).unwrap(), only(&["https://a.example.org"]));
        assert_eq!(
            of(Some("https://B.example.org:8443, http://localhost"), &variable).unwrap(),
            only(&["https://b.example.org:8443", "http://localhost"])
        );
        for bad in ["a.example.org", "https://a/b", "https://*.example.org"] {
            let text = of(Some(bad), &[]).unwrap_err().to_string();
            assert!(text.contains("--allow-origins"), "{text}");
        }
    }

    #[test]
    fn static_mounts() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display();
        let mount = static_mount(&format!("/docs:{folder}")).unwrap();
        assert_eq!(
            (mount.name.as_str(), mount.folder.display().to_string()),
            ("docs", folder.to_string())
        );
        for (text, part) in [
            (format!("/a/b:{folder}"), "Only top-level routes are supported."),
            (
                format!("/assets:{folder}"),
                "The route 'assets' collides with an existing route.",
            ),
            (format!("/{{x}}:{folder}"), "the name is to be of letters"),
            (format!("docs:{folder}"), "expected /<name>:<folder>"),
            (
                "/docs:/no/such/folder".into(),
                "The directory '/no/such/folder' does not exist.",
            ),
        ] {
            let error = static_mount(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let twice = Flags {
            static_mounts: vec![format!("/docs:{folder}"); 2],
            ..Flags::default()
        };
        assert!(options(&twice, &Env::default()).is_err());
    }
}
