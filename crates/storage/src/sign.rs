//! Signed URLs: all authority is in the query, for one object, one kind of access and one time.
//!
//! ```text
//! BASE/s3/{bucket}/{key}?X-Hypha-Method=GET&X-Hypha-Expires=<unix>&X-Hypha-Sig=<HMAC-SHA256, base64url>
//! ```
//!
//! The signature covers everything that is in [`Grant`], the bucket and the time, with the key as its decoded bytes, so
//! how a proxy spells the path does not matter. Nothing in a signed text can contain a line feed, which separates them.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use crate::key::Key;
use crate::object::{PutOptions, SizeRule};

/// Longest validity of a URL: seven days, in seconds.
pub const MAX_EXPIRY: u64 = 7 * 24 * 3600;
/// Longest query that is looked at, in bytes.
const MAX_QUERY: usize = 8192;
/// First line of what is signed; changes when the others do.
const VERSION: &str = "hypha-url-1";

/// What stays as it is in a path or query.
const PLAIN: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

const METHOD: &str = "X-Hypha-Method";
const EXPIRES: &str = "X-Hypha-Expires";
const SIGNATURE: &str = "X-Hypha-Sig";
const SIZE: &str = "X-Hypha-Size";
const MAX_SIZE: &str = "X-Hypha-Max-Size";
const CONTENT_TYPE: &str = "X-Hypha-Content-Type";
const DELETE_AT: &str = "X-Hypha-Delete-At";
const UPLOAD: &str = "uploadId";
const PART: &str = "partNumber";

/// What a signed URL allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The object.
    pub key: Key,
    /// What may be done with it.
    pub access: Access,
}

/// What may be done with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading it, or what is known about it.
    Get,
    /// Writing it. A content type in the options is taken instead of what the request says.
    Put(PutOptions),
    /// Writing one part of a multipart upload.
    Part {
        /// The upload.
        upload: String,
        /// The part, from 1.
        number: u32,
        /// How many bytes it may have.
        size: SizeRule,
    },
}

/// Why a request is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// No signature at all.
    #[error("The request is not signed; ask for a signed URL of the file")]
    Missing,
    /// Not what was signed.
    #[error("The signature does not fit the request")]
    Forged,
    /// Too late.
    #[error("The URL has expired")]
    Expired,
    /// Signed for something else.
    #[error("The URL is for another method")]
    Method,
}

/// Signs URLs and checks them. The only place that knows the secret.
#[derive(Clone)]
pub struct Signer {
    mac: Hmac<Sha256>,
    bucket: Box<str>,
}

impl Signer {
    /// A signer with a secret, for objects of `bucket`.
    pub(crate) fn new(secret: &str, bucket: &str) -> Self {
        // A key of its own, whatever else the secret is used for.
        let derived = keyed(secret.as_bytes()).chain_update(VERSION).finalize();
        Self {
            mac: keyed(&derived.into_bytes()),
            bucket: bucket.into(),
        }
    }

    /// The bucket in the URLs.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// A URL below `base` (which has no slash at its end) that is good until `expires`, in seconds since the Unix epoch.
    pub fn sign(&self, grant: &Grant, expires: u64, base: &str) -> String {
        let mut url = format!("{base}/s3/{}", utf8_percent_encode(&self.bucket, &PLAIN));
        for segment in grant.key.as_str().split('/') {
            let _ = write!(url, "/{}", utf8_percent_encode(segment, &PLAIN));
        }
        let _ = write!(url, "?{METHOD}={}&{EXPIRES}={expires}", method(&grant.access));
        let mut add = |name: &str, value: &dyn std::fmt::Display| {
            let value = value.to_string();
            let _ = write!(url, "&{name}={}", utf8_percent_encode(&value, &PLAIN));
        };
        let mut add_size = |rule: SizeRule| match rule {
            SizeRule::Any => {}
            SizeRule::AtMost(size) => add(MAX_SIZE, &size),
            SizeRule::Exactly(size) => add(SIZE, &size),
        };
        match &grant.access {
            Access::Get => {}
            Access::Put(options) => {
                add_size(options.size);
                if let Some(content_type) = content_type(options) {
                    add(CONTENT_TYPE, &content_type);
                }
                if let Some(at) = options.delete_at {
                    add(DELETE_AT, &at);
                }
            }
            Access::Part { upload, number, size } => {
                add_size(*size);
                add(UPLOAD, upload);
                add(PART, number);
            }
        }
        let signature = self.canonical(grant, expires).finalize().into_bytes();
        let _ = write!(url, "&{SIGNATURE}={}", URL_SAFE_NO_PAD.encode(signature));
        url
    }

    /// What a request may do: its method, the bucket and key of its path (decoded), its query (as it came), and the time.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn verify(
        &self,
        method: &str,
        bucket: &str,
        key: &Key,
        query: &str,
        now: u64,
    ) -> Result<Grant, SignError> {
        let query = Query::parse(query)?;
        let signature = query.signature.as_deref().ok_or(SignError::Missing)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| SignError::Forged)?;
        let (expires, access) = (query.expires.ok_or(SignError::Forged)?, query.access()?);
        let allowed: &[&str] = match access {
            Access::Get => &["GET", "HEAD"],
            Access::Put(_) | Access::Part { .. } => &["PUT"],
        };
        let grant = Grant {
            key: key.clone(),
            access,
        };
        let expected = self.canonical(&grant, expires);
        // Compares in constant time.
        if bucket != &*self.bucket || expected.verify_slice(&signature).is_err() {
            return Err(SignError::Forged);
        }
        if !allowed.contains(&method) {
            return Err(SignError::Method);
        }
        if now >= expires {
            return Err(SignError::Expired);
        }
        Ok(grant)
    }

    fn canonical(&self, grant: &Grant, expires: u64) -> Hmac<Sha256> {
        let (upload, part, size, content_type, delete_at) = match &grant.access {
            Access::Get => ("", 0, SizeRule::Any, "", None),
            Access::Put(options) => {
                let content_type = content_type(options).unwrap_or_default();
                ("", 0, options.size, content_type, options.delete_at)
            }
            Access::Part { upload, number, size } => (upload.as_str(), *number, *size, "", None),
        };
        let text = format!(
            "{VERSION}\n{}\n{}\n{}\n{expires}\n{upload}\n{part}\n{size:?}\n{content_type}\n{delete_at:?}",
            method(&grant.access),
            self.bucket,
            grant.key,
        );
        self.mac.clone().chain_update(text)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("every length is good")
}

fn method(access: &Access) -> &'static str {
    match access {
        Access::Get => "GET",
        Access::Put(_) => "PUT",
        Access::Part { .. } => "PART",
    }
}

/// A content type that can be signed: with a line feed in it, it is none.
fn content_type(options: &PutOptions) -> Option<&str> {
    let text = options.content_type.as_deref()?;
    (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
}

/// What of a query is about the signature. The rest does not matter.
#[derive(Default)]
struct Query {
    method: Option<String>,
    expires: Option<u64>,
    signature: Option<String>,
    size: Option<u64>,
    max_size: Option<u64>,
    content_type: Option<String>,
    delete_at: Option<u64>,
    upload: Option<String>,
    part: Option<u32>,
}

impl Query {
    fn parse(text: &str) -> Result<Self, SignError> {
        if text.len() > MAX_QUERY {
            return Err(SignError::Forged);
        }
        let mut query = Self::default();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| SignError::Forged)?;
            match name {
                METHOD => once(&mut query.method, &value)?,
                EXPIRES => once(&mut query.expires, &value)?,
                SIGNATURE => once(&mut query.signature, &value)?,
                SIZE => once(&mut query.size, &value)?,
                MAX_SIZE => once(&mut query.max_size, &value)?,
                CONTENT_TYPE => once(&mut query.content_type, &value)?,
                DELETE_AT => once(&mut query.delete_at, &value)?,
                UPLOAD => once(&mut query.upload, &value)?,
                PART => once(&mut query.part, &value)?,
                _ => {}
            }
        }
        Ok(query)
    }

    fn access(self) -> Result<Access, SignError> {
        let size = match (self.size, self.max_size) {
            (None, None) => SizeRule::Any,
            (None, Some(most)) => SizeRule::AtMost(most),
            (Some(size), None) => SizeRule::Exactly(size),
            (Some(_), Some(_)) => return Err(SignError::Forged),
        };
        match self.method.as_deref() {
            Some("GET") => Ok(Access::Get),
            Some("PUT") => Ok(Access::Put(PutOptions {
                content_type: self.content_type,
                size,
                delete_at: self.delete_at,
            })),
            Some("PART") => Ok(Access::Part {
                upload: self.upload.ok_or(SignError::Forged)?,
                number: self.part.ok_or(SignError::Forged)?,
                size,
            }),
            _ => Err(SignError::Forged),
        }
    }
}

/// Takes a parameter; one that comes twice is ambiguous.
fn once<T: std::str::FromStr>(slot: &mut Option<T>, value: &str) -> Result<(), SignError> {
    if slot.is_some() {
        return Err(SignError::Forged);
    }
    *slot = Some(value.parse().map_err(|_| SignError::Forged)?);
    Ok(())
}

#[cfg(test)]
mod tests;
