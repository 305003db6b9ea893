//! The flags of the server that have an effect. Their defaults are in [`settings`](super::settings), because a flag
//! that is left out may still be set by the environment.

use std::path::PathBuf;

use clap::{ArgAction, Args};

/// Flags of `hypha serve`. Each can also be given as an environment variable: `HYPHA_` and its name in capitals, as in
/// `HYPHA_PUBLIC_BASE_URL`.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Flags {
    /// Address to listen on; 0.0.0.0 for all [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", help_heading = "Network")]
    pub(crate) host: Option<String>,
    /// Port to listen on; 0 for any free one [default: 9527]
    #[arg(long, value_name = "PORT", help_heading = "Network")]
    pub(crate) port: Option<u16>,
    /// Prefix of all routes, as in /my/engine [default: /]
    #[arg(long, value_name = "PATH", help_heading = "Network")]
    pub(crate) base_path: Option<String>,
    /// URL under which users reach the server, including the base path [default: the address it listens on]
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub(crate) public_base_url: Option<String>,
    /// Origins whose web pages may use the server, with commas between them [default: *]
    #[arg(long, value_name = "ORIGINS", help_heading = "Network")]
    pub(crate) allow_origins: Option<String>,
    /// Folders to serve, each as /<name>:<folder>
    #[arg(long, value_name = "MOUNT", num_args = 1.., action = ArgAction::Append, help_heading = "Network")]
    pub(crate) static_mounts: Vec<String>,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks, as in 10.0.0.0/8 [default: none]
    #[arg(long, value_name = "ADDRESS", num_args = 1.., value_delimiter = ',', action = ArgAction::Append, help_heading = "Network")]
    pub(crate) trusted_proxies: Vec<String>,
    /// Name of this server among its replicas [default: made up once and kept with the data]
    #[arg(long, value_name = "ID", help_heading = "Network")]
    pub(crate) server_id: Option<String>,
    /// Redis that several servers share; not supported yet
    #[arg(long, value_name = "URI", help_heading = "Network")]
    pub(crate) redis_uri: Option<String>,
    /// Forget at start what is in Redis
    #[arg(long, help_heading = "Network")]
    pub(crate) reset_redis: bool,
    /// Text that clients print when they connect
    #[arg(long, value_name = "TEXT", help_heading = "Network")]
    pub(crate) announcement: Option<String>,

    /// What to run with the server: `module_or_file.py:function`, or `"exec:program arguments"`; several are run in order
    #[arg(long, value_name = "FUNCTION", num_args = 0.., help_heading = "Start")]
    pub(crate) startup_functions: Vec<String>,

    /// Secret that makes its bearer the administrator: at least 32 random characters
    #[arg(long, value_name = "TOKEN", help_heading = "Security")]
    pub(crate) root_token: Option<String>,
    /// Let people make accounts with an e-mail address and a password
    #[arg(long, help_heading = "Security")]
    pub(crate) enable_local_auth: bool,

    /// Folder for what must survive a restart [default: the platform's folder for data]
    #[arg(long, value_name = "FOLDER", help_heading = "Data")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Database instead of the one in the data folder: a path, or sqlite:///<path>
    #[arg(long, value_name = "URI", help_heading = "Data", conflicts_with = "data_dir")]
    pub(crate) database_uri: Option<String>,
    /// Keep everything in memory and forget it at exit; no data folder is used
    #[arg(long, help_heading = "Data", conflicts_with = "database_uri")]
    pub(crate) ephemeral: bool,

    /// Where files are.
    #[command(flatten)]
    pub(crate) s3: S3Flags,
}

/// Flags about files.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct S3Flags {
    /// Store files on an S3 server instead of in the data folder; needs --endpoint-url
    #[arg(long, help_heading = "Files")]
    pub(crate) enable_s3: bool,
    /// URL of the S3 server
    #[arg(long, value_name = "URL", help_heading = "Files")]
    pub(crate) endpoint_url: Option<String>,
    /// Id of the access key of the S3 server
    #[arg(long, value_name = "ID", help_heading = "Files")]
    pub(crate) access_key_id: Option<String>,
    /// Secret of the access key of the S3 server
    #[arg(long, value_name = "SECRET", help_heading = "Files")]
    pub(crate) secret_access_key: Option<String>,
    /// Region of the S3 server [default: EU]
    #[arg(long, value_name = "REGION", help_heading = "Files")]
    pub(crate) region_name: Option<String>,
    /// Bucket for files, also in their URLs [default: hypha-workspaces]
    #[arg(long, value_name = "BUCKET", help_heading = "Files")]
    pub(crate) workspace_bucket: Option<String>,
    /// Seconds between two looks for expired files [default: 300]
    #[arg(long, value_name = "SECONDS", help_heading = "Files")]
    pub(crate) s3_cleanup_period: Option<u64>,
    /// Let users without an account store files in their own workspaces
    #[arg(long, help_heading = "Files")]
    pub(crate) enable_s3_for_anonymous_users: bool,
}
