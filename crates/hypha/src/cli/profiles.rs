//! Profiles: servers, and who the user is there, in one file of the platform's configuration folder.
//!
//! The file holds tokens. It is readable by its owner only, replaced as a whole, and never quoted in an error.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use directories::ProjectDirs;
use serde::{Deserialize, Serialize};

use crate::config::env::Env;

/// Names another folder for the file.
const FOLDER_VARIABLE: &str = "HYPHA_CONFIG_DIR";
const FILE: &str = "profiles.toml";
const LOCK: &str = "profiles.lock";
/// Longest name of a profile, in bytes.
const MAX_NAME: usize = 64;

/// A server, and who the user is there.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(super) struct Profile {
    /// URL of the server. The token goes there and nowhere else.
    pub(super) server_url: String,
    /// The workspace to work in.
    pub(super) workspace: Option<String>,
    /// The user's id at the last login, for people.
    pub(super) user: Option<String>,
    /// When the token expires, in seconds since 1970; for people.
    pub(super) expires_at: Option<i64>,
    /// The token. A secret.
    pub(super) token: Option<String>,
}

/// All profiles.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(super) struct Profiles {
    /// The name of the one that is used when none is named.
    pub(super) current: Option<String>,
    /// By name.
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// A profile by its name.
    ///
    /// # Errors
    /// There is none of this name; the error names those that there are.
    pub(super) fn get(&self, name: &str) -> Result<&Profile> {
        self.profiles.get(name).ok_or_else(|| self.unknown(name))
    }

    /// That there is no such profile.
    pub(super) fn unknown(&self, name: &str) -> anyhow::Error {
        let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        if names.is_empty() {
            return anyhow!("there is no profile {name:?}; `hypha login` makes one");
        }
        anyhow!("there is no profile {name:?}; there are: {}", names.join(", "))
    }
}

/// Where profiles are kept.
pub(super) struct ProfileFile {
    /// `None` when the user has no home folder.
    path: Option<PathBuf>,
}

impl ProfileFile {
    /// The file that the environment says.
    pub(super) fn of(env: &Env) -> Self {
        let folder = match env.get(FOLDER_VARIABLE) {
            Some(folder) => Some(PathBuf::from(folder)),
            None => ProjectDirs::from("", "", "hypha").map(|folders| folders.config_dir().to_owned()),
        };
        Self {
            path: folder.map(|folder| folder.join(FILE)),
        }
    }

    /// Where it is, whether it exists or not.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What it says; nothing when there is no file.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub(super) fn read(&self) -> Result<Profiles> {
        let Some(path) = &self.path else {
            return Ok(Profiles::default());
        };
        match fs::read_to_string(path) {
            Ok(text) => parse(&text).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Profiles::default()),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Changes what it says. Two programs that do so at the same time do it one after the other.
    ///
    /// # Errors
    /// `change` fails, and nothing is changed; or the file cannot be written.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Profiles) -> Result<T>) -> Result<T> {
        let path = self
            .path
            .as_deref()
            .with_context(|| format!("there is no home folder to keep profiles in; set {FOLDER_VARIABLE}"))?;
        // Whoever has made a link to a file elsewhere wants that file changed.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = path.parent().unwrap_or(Path::new("."));
        make_folder(folder).with_context(|| folder.display().to_string())?;
        let lock = File::create(folder.join(LOCK)).with_context(|| folder.display().to_string())?;
        // Without locks, as on some network file systems, the file is still replaced as a whole.
        let _ = lock.lock();
        let mut profiles = self.read()?;
        let result = change(&mut profiles)?;
        write(&path, &profiles).with_context(|| path.display().to_string())?;
        Ok(result)
    }
}

/// Whether `name` can be the name of a profile.
///
/// # Errors
/// It cannot; the error says what was expected.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
        bail!(
            "the profile {name:?}: expected up to {MAX_NAME} letters, digits, '.', '_' and '-', as in my-lab"
        );
    }
    Ok(())
}

fn parse(text: &str) -> Result<Profiles> {
    toml::from_str(text).map_err(|error| {
        // The full text of the error quotes the line, which may hold a token.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        anyhow!("line {line}: the file cannot be understood; correct or remove it")
    })
}

fn write(path: &Path, profiles: &Profiles) -> Result<()> {
    let text = toml::to_string(profiles)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    // Made for its owner only.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path) -> ProfileFile {
        ProfileFile::of(&Env::of(&[(FOLDER_VARIABLE, folder.to_str().unwrap())]))
    }

    fn lab() -> Profile {
        Profile {
            server_url: "https://lab".into(),
            token: Some("sesame".into()),
            ..Profile::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder.path().join("new"));
        assert!(file.read().unwrap().profiles.is_empty());
        file.change(|profiles| {
            profiles.current = Some("lab".into());
            profiles.profiles.insert("lab".into(), lab());
            Ok(())
        })
        .unwrap();
        let read = file.read().unwrap();
        assert_eq!(read.get("lab").unwrap().token.as_deref(), Some("sesame"));
        assert_eq!(read.current.as_deref(), Some("lab"));
        let error = read.get("lob").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("lab"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_its_owner_even_if_it_was_not() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        fs::write(file.path().unwrap(), "").unwrap();
        fs::set_permissions(file.path().unwrap(), fs::Permissions::from_mode(0o644)).unwrap();
        file.change(|_| Ok(())).unwrap();
        let mode = fs::metadata(file.path().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("kept.toml");
        fs::write(&target, "").unwrap();
        let file = file(folder.path());
        std::os::unix::fs::symlink(&target, file.path().unwrap()).unwrap();
        file.change(|profiles| Ok(profiles.profiles.insert("lab".into(), lab())))
            .unwrap();
        assert!(fs::symlink_metadata(file.path().unwrap()).unwrap().is_symlink());
        assert!(fs::read_to_string(target).unwrap().contains("https://lab"));
    }

    #[test]
    fn errors_quote_nothing() {
        let text = "[profiles.lab]\nserver_url = \"x\"\ntoken = sesame\n";
        let error = format!("{:#}", parse(text).map(|_| ()).unwrap_err());
        assert!(error.contains("line 3") && !error.contains("sesame"), "{error}");
    }

    #[test]
    fn names() {
        for good in ["lab", "hypha.example.org", "127.0.0.1-9527"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a/b", "a\n", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}
