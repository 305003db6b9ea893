//! Where things are kept: the data of a server, the profiles of a user, databases on other machines.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::profiles::ProfileFile;
use super::finding::{Finding, Job};
use crate::config::env::Env;
use crate::config::settings::default_folder;

/// Less free space than this is a problem, in bytes.
const LITTLE_SPACE: u64 = 256 << 20;
/// How long a database may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a client of PostgreSQL says first: eight bytes, "do you speak TLS?".
const POSTGRES_HELLO: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// A command of Redis that needs no login to be answered with something.
const REDIS_HELLO: &[u8] = b"PING\r\n";

/// Looks at all of them.
pub(super) async fn look(env: &Env) -> Vec<Finding> {
    let mut findings = Vec::new();
    match env.get("HYPHA_DATABASE_URI") {
        Some(uri) if uri.starts_with("postgres") => {
            findings.push(database("postgres", uri, 5432, &POSTGRES_HELLO, b"SN").await);
        }
        Some(uri) => {
            let path = uri.split_once(":///").map_or(uri, |(_, path)| path);
            findings.extend(folder(Path::new(path).parent().unwrap_or(Path::new("."))));
        }
        None => match env
            .get("HYPHA_DATA_DIR")
            .map_or_else(default_folder, |path| Ok(PathBuf::from(path)))
        {
            Ok(path) => findings.extend(folder(&path)),
            Err(error) => {
                let finding = Finding::problem("data folder", "none", format!("{error:#}"));
                findings.push(finding.that_stops(Job::Serve));
            }
        },
    }
    if let Some(uri) = env.get("HYPHA_REDIS_URI") {
        findings.push(database("redis", uri, 6379, REDIS_HELLO, b"+-").await);
    }
    findings.push(profiles(env));
    findings
}

/// Whether a folder, or the one that it would be made in, can be written, and how much space there is.
fn folder(path: &Path) -> Vec<Finding> {
    let name = "data folder";
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let exists = absolute.ancestors().find(|folder| folder.exists());
    let existing = exists.unwrap_or(Path::new("/"));
    let shown = absolute.display();
    let writable = match tempfile::tempfile_in(existing) {
        Ok(_) if existing == absolute => Finding::ok(name, format!("{shown} can be written")),
        Ok(_) => Finding::ok(name, format!("{shown} can be made")),
        Err(error) => {
            let advice = "change its owner, or name another with --data-dir (HYPHA_DATA_DIR)";
            Finding::problem(name, format!("{}: {error}", existing.display()), advice).that_stops(Job::Serve)
        }
    };
    [Some(writable), space(existing)].into_iter().flatten().collect()
}

#[cfg(unix)]
fn space(folder: &Path) -> Option<Finding> {
    let status = rustix::fs::statvfs(folder).ok()?;
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    let text = format!("{:.1} GiB are free", free as f64 / f64::from(1 << 30));
    Some(if free >= LITTLE_SPACE {
        Finding::ok("space", text)
    } else {
        let advice = "make room, or name a folder elsewhere with --data-dir (HYPHA_DATA_DIR)";
        Finding::problem("space", text, advice).that_stops(Job::Serve)
    })
}

#[cfg(not(unix))]
fn space(_: &Path) -> Option<Finding> {
    None
}

/// Whether a database is there: whether it answers `hello` with one of the bytes in `expected`.
async fn database(name: &'static str, uri: &str, port: u16, hello: &[u8], expected: &[u8]) -> Finding {
    let answered = match place(uri, port) {
        Ok((host, port)) => {
            let asked = tokio::time::timeout(PATIENCE, ask(&host, port, hello));
            let first = asked.await.unwrap_or_else(|_| bail_timeout());
            (format!("{host}:{port}"), first)
        }
        Err(error) => (String::new(), Err(error)),
    };
    // A server behind TLS answers a plain question by closing.
    let is_tls = uri.starts_with("rediss:");
    match answered {
        (place, Ok(first)) if is_tls || first.is_some_and(|first| expected.contains(&first)) => {
            Finding::ok(name, format!("{place} answers"))
        }
        (place, Ok(_)) => {
            let text = format!("{place} answers something else");
            Finding::problem(name, text, "check the URI").that_stops(Job::Serve)
        }
        (place, Err(error)) => {
            let advice = "check the URI, the network and whether it runs";
            Finding::problem(name, format!("{place}: {error:#}"), advice).that_stops(Job::Serve)
        }
    }
}

fn bail_timeout<T>() -> Result<T> {
    bail!("no answer within {} s", PATIENCE.as_secs())
}

/// The first byte of the answer, if there is one.
async fn ask(host: &str, port: u16, hello: &[u8]) -> Result<Option<u8>> {
    let mut socket = TcpStream::connect((host, port)).await?;
    socket.write_all(hello).await?;
    let mut first = [0];
    let read = socket.read(&mut first).await?;
    Ok((read == 1).then_some(first[0]))
}

/// Host and port of a URI. Errors do not repeat it: it may hold a password.
fn place(uri: &str, port: u16) -> Result<(String, u16)> {
    let uri: Uri = uri.parse().ok().context("the URI is malformed")?;
    let Some(host) = uri.host() else {
        bail!("the URI has no host")
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), uri.port_u16().unwrap_or(port)))
}

fn profiles(env: &Env) -> Finding {
    let name = "profiles";
    let file = ProfileFile::of(env);
    let advice = "correct or remove the file; `hypha login` makes a new one";
    let shown = file
        .path()
        .map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
    match file.read() {
        Ok(found) if found.profiles.is_empty() => Finding::missing(
            name,
            "none",
            "`hypha login URL` makes one, if you use a server of others",
        ),
        Ok(_) if is_open(file.path()) => {
            let advice = format!("other users can read your tokens: chmod 600 {shown}");
            Finding::problem(name, format!("{shown} is not private"), advice)
        }
        Ok(found) => {
            let current = found.current.unwrap_or_else(|| "none".to_owned());
            Finding::ok(
                name,
                format!("{} in {shown}; in use: {current}", found.profiles.len()),
            )
        }
        Err(error) => Finding::problem(name, format!("{error:#}"), advice),
    }
}

#[cfg(unix)]
fn is_open(path: Option<&Path>) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let status = path.and_then(|path| path.metadata().ok());
    status.is_some_and(|status| status.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open(_: Option<&Path>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::finding::State;
    use super::*;

    #[test]
    fn places_of_databases() {
        let found = |uri| place(uri, 6379).unwrap();
        assert_eq!(found("redis://:hunter2@host:6380/0"), ("host".to_owned(), 6380));
        assert_eq!(found("rediss://[::1]/0"), ("::1".to_owned(), 6379));
        assert_eq!(
            found("postgresql+asyncpg://ada:x@db/hypha"),
            ("db".to_owned(), 6379)
        );
        let error = format!("{:#}", place("redis://a:hunter2 @h", 1).unwrap_err());
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn databases_that_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("redis://:hunter2@{}/0", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in [&b"-NOAUTH\r\n"[..], b"HTTP/1.1"] {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.write_all(answer).await.unwrap();
            }
        });
        let redis = || database("redis", &uri, 6379, REDIS_HELLO, b"+-");
        assert_eq!(redis().await.state, State::Ok);
        let other = redis().await;
        assert_eq!(other.state, State::Problem);
        assert!(!other.text.contains("hunter2"));
        assert_eq!(redis().await.stops, Some(Job::Serve), "nobody listens any more");
    }

    #[test]
    fn folders() {
        let folder_made = tempfile::tempdir().unwrap();
        let there = folder(folder_made.path());
        assert_eq!(there[0].state, State::Ok);
        let new = folder(&folder_made.path().join("a/b"));
        assert!(new[0].text.contains("can be made"), "{}", new[0].text);
    }
}
