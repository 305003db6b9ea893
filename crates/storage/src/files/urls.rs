//! Where signed URLs point to.

use serde::{Deserialize, Deserializer, de};

/// The base of a signed URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// The server as its users reach it.
    #[default]
    Public,
    /// The server as programs on its machine reach it.
    Local,
    /// Another URL of the server.
    Other(String),
}

impl<'de> Deserialize<'de> for Base {
    /// `use_local_url` of the services: true, false, or a URL; over HTTP, all of that as text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Flag(bool),
            Text(String),
            Nothing(()),
        }
        match Given::deserialize(deserializer)? {
            Given::Flag(false) | Given::Nothing(()) => Ok(Self::Public),
            Given::Flag(true) => Ok(Self::Local),
            Given::Text(text) => match text.as_str() {
                "" | "false" | "False" | "0" | "null" => Ok(Self::Public),
                "true" | "True" | "1" => Ok(Self::Local),
                url if url.starts_with("http://") || url.starts_with("https://") => {
                    Ok(Self::Other(url.trim_end_matches('/').to_owned()))
                }
                _ => Err(de::Error::custom("use_local_url must be true, false or a URL")),
            },
        }
    }
}
