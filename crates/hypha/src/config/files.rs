//! Where files are stored: on this machine, unless an S3 server is named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use hypha_storage::{Config, Limits, Place, S3Config};
use hypha_store::Location;

use super::env::Env;
use super::flags::S3Flags;
use super::settings::Storage;

/// Bytes of files that a workspace may have.
pub(crate) const QUOTA: &str = "HYPHA_WORKSPACE_STORAGE_QUOTA";
/// Folder of files in the data folder.
const FOLDER: &str = "files";
/// The original's region.
const REGION: &str = "EU";
/// The original's bucket.
const BUCKET: &str = "hypha-workspaces";
/// How often expired files are looked for, in seconds.
const CLEANUP: u64 = 300;

/// What is decided about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The bucket, if they are not on this machine.
    pub(crate) s3: Option<S3Config>,
    /// The bucket in URLs.
    pub(crate) bucket: String,
    /// How often expired files are looked for.
    pub(crate) sweep: Duration,
    /// Whether users without an account may store files.
    pub(crate) anonymous_may_write: bool,
    /// Bytes of files that a workspace may have.
    pub(crate) quota: Option<u64>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            s3: None,
            bucket: BUCKET.into(),
            sweep: Duration::from_secs(CLEANUP),
            anonymous_may_write: false,
            quota: None,
        }
    }
}

impl Files {
    /// Checks the flags. Also returns what to tell the user.
    ///
    /// # Errors
    /// An S3 server without its keys, or an address that is no URL.
    pub(super) fn new(flags: S3Flags, env: &Env) -> Result<(Self, Vec<String>)> {
        let mut warnings = Vec::new();
        let bucket = flags.workspace_bucket.unwrap_or_else(|| BUCKET.into());
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if bucket.is_empty() || !bucket.bytes().all(is_plain) {
            bail!("--workspace-bucket {bucket}: expected letters, digits and - _ .");
        }
        let s3 = match (flags.enable_s3, flags.endpoint_url) {
            (false, None) => None,
            (false, Some(_)) => {
                warnings.push("--endpoint-url has no effect without --enable-s3".to_owned());
                None
            }
            (true, None) => {
                warnings
                    .push("--enable-s3 without --endpoint-url: files are stored on this machine".to_owned());
                None
            }
            (true, Some(endpoint)) => {
                if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
                    bail!("--endpoint-url {endpoint}: expected http://<host> or https://<host>");
                }
                let (Some(access_key_id), Some(secret_access_key)) =
                    (flags.access_key_id, flags.secret_access_key)
                else {
                    bail!("--enable-s3 with --endpoint-url needs --access-key-id and --secret-access-key");
                };
                Some(S3Config {
                    endpoint,
                    access_key_id,
                    secret_access_key,
                    region: flags.region_name.unwrap_or_else(|| REGION.into()),
                    bucket: bucket.clone(),
                })
            }
        };
        let quota = env.get(QUOTA).and_then(|text| match text.trim().parse() {
            Ok(bytes) if bytes > 0 => Some(bytes),
            _ => {
                warnings.push(format!(
                    "{QUOTA}={text} is ignored: expected a whole number above 0"
                ));
                None
            }
        });
        if quota.is_some() && s3.is_some() {
            warnings.push(format!(
                "{QUOTA} has no effect: files in a bucket are not counted"
            ));
        }
        let files = Self {
            s3,
            bucket,
            sweep: Duration::from_secs(flags.s3_cleanup_period.unwrap_or(CLEANUP).max(1)),
            anonymous_may_write: flags.enable_s3_for_anonymous_users,
            quota,
        };
        Ok((files, warnings))
    }

    /// What the file store is opened with, beside the other data.
    ///
    /// # Errors
    /// The database is nowhere.
    pub(crate) fn config(&self, storage: &Storage, secret: &str) -> Result<Config> {
        let folder = folder(storage)?;
        let place = match (&self.s3, folder) {
            (Some(s3), folder) => Place::S3(s3.clone(), folder),
            (None, Some(folder)) => Place::Folder(folder),
            (None, None) => Place::Memory,
        };
        Ok(Config {
            bucket: self.bucket.clone(),
            limits: Limits {
                quota: self.quota,
                ..Limits::default()
            },
            sweep: self.sweep,
            ..Config::new(place, secret)
        })
    }
}

/// Where files are on this machine; `None` for in memory.
fn folder(storage: &Storage) -> Result<Option<PathBuf>> {
    Ok(match storage {
        Storage::Ephemeral => None,
        Storage::Folder(folder) => Some(folder.join(FOLDER)),
        // Beside the database.
        Storage::Database(uri) => match Location::parse(uri)? {
            Location::File(path) => {
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(".files");
                Some(path.parent().unwrap_or(Path::new("")).join(name))
            }
            Location::Memory => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(flags: S3Flags) -> (Files, Vec<String>) {
        Files::new(flags, &Env::default()).unwrap()
    }

    fn s3_flags() -> S3Flags {
        S3Flags {
            enable_s3: true,
            endpoint_url: Some("http://127.0.0.1:9000".into()),
            access_key_id: Some("id".into()),
            secret_access_key: Some("hunter2".into()),
            ..S3Flags::default()
        }
    }

    #[test]
    fn places() {
        let (local, warnings) = files(S3Flags::default());
        assert_eq!((local.clone(), warnings), (Files::default(), Vec::new()));
        let place = |storage| local.config(&storage, "s").unwrap().place;
        assert!(matches!(place(Storage::Ephemeral), Place::Memory));
        assert!(matches!(
            place(Storage::Database("sqlite://".into())),
            Place::Memory
        ));
        let Place::Folder(folder) = place(Storage::Folder("/data".into())) else {
            panic!()
        };
        assert_eq!(folder, PathBuf::from("/data/files"));
        let Place::Folder(folder) = place(Storage::Database("sqlite:////data/hub.db".into())) else {
            panic!()
        };
        assert_eq!(folder, PathBuf::from("/data/hub.db.files"));
        let (bucket, warnings) = files(s3_flags());
        assert!(matches!(
            bucket.config(&Storage::Ephemeral, "s").unwrap().place,
            Place::S3(_, None)
        ));
        assert!(warnings.is_empty() && !format!("{bucket:?}").contains("hunter2"));
    }

    #[test]
    fn halves_of_an_s3_server() {
        let flags = S3Flags {
            enable_s3: true,
            ..S3Flags::default()
        };
        assert!(files(flags).1[0].contains("files are stored on this machine"));
        assert!(
            files(S3Flags {
                enable_s3: false,
                ..s3_flags()
            })
            .1[0]
                .contains("without --enable-s3")
        );
        for flags in [
            S3Flags {
                access_key_id: None,
                ..s3_flags()
            },
            S3Flags {
                endpoint_url: Some("127.0.0.1:9000".into()),
                ..s3_flags()
            },
            S3Flags {
                workspace_bucket: Some("a/b".into()),
                ..s3_flags()
            },
        ] {
            let error = Files::new(flags, &Env::default()).unwrap_err().to_string();
            assert!(error.contains("--") && !error.contains("hunter2"), "{error}");
        }
    }
}
