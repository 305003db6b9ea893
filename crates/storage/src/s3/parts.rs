//! Parts that clients upload: one part of theirs is one of the bucket's, passed on as it comes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::{Method, header};
use object_store::PutPayload;
use object_store::multipart::{MultipartStore, PartId};
use object_store::signer::{SignedUrlOptions, Signer};
use parking_lot::Mutex;

use super::{S3, path, unavailable};
use crate::error::Error;
use crate::index::{Part, Upload};
use crate::key::Key;
use crate::object::{Meta, SizeRule};

/// Largest part whose sender does not say how long it is, in bytes: S3 wants to know, so it waits in memory.
const MAX_UNSIZED: u64 = 32 << 20;
/// Largest part there can be, in bytes.
const MAX_PART: u64 = 5 << 30;
/// How long the internal URL of a part is good.
const URL_LIFE: Duration = Duration::from_secs(3600);

impl S3 {
    /// Takes a part.
    pub(crate) async fn put_part(
        &self,
        upload: &Upload,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        rule: SizeRule,
    ) -> Result<Part, Error> {
        let (size, etag) = match rule {
            SizeRule::Exactly(size) if size > MAX_PART => return Err(Error::TooLarge { limit: MAX_PART }),
            SizeRule::Exactly(size) => (size, self.pass_on(upload, number, body, size).await?),
            rule => self.put_gathered(upload, number, body, rule).await?,
        };
        let etag = etag.trim_matches('"').to_owned();
        Ok(Part {
            number,
            blob: etag.clone(),
            size,
            etag,
        })
    }

    /// A part of known length, as it comes.
    async fn pass_on(
        &self,
        upload: &Upload,
        number: u32,
        body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        size: u64,
    ) -> Result<String, Error> {
        let query = [
            ("partNumber", number.to_string()),
            ("uploadId", remote(upload)?.to_owned()),
        ];
        let options = SignedUrlOptions::new().with_query(query);
        let key = path(&Key::parse(&upload.key)?)?;
        let url = self
            .store
            .signed_url_opts(Method::PUT, &key, URL_LIFE, &options)
            .await;
        let url = url.map_err(unavailable)?;
        // Whose fault a failure is, is known here only.
        let broken: Arc<Mutex<Option<io::Error>>> = Arc::default();
        let noted = broken.clone();
        let body = body.map(move |chunk| {
            chunk.map_err(|error| {
                let text = io::Error::from(error.kind());
                *noted.lock() = Some(error);
                text
            })
        });
        let sent = self
            .http
            .put(url)
            .header(header::CONTENT_LENGTH, size)
            .body(reqwest::Body::wrap_stream(body))
            .send()
            .await;
        if let Some(error) = broken.lock().take() {
            return Err(Error::Body(error));
        }
        let answer = sent.map_err(|error| Error::Unavailable(error.without_url().to_string()))?;
        if !answer.status().is_success() {
            return Err(Error::Unavailable(format!(
                "the S3 server answers a part with {}",
                answer.status()
            )));
        }
        let etag = answer
            .headers()
            .get(header::ETAG)
            .and_then(|etag| etag.to_str().ok());
        etag.map(str::to_owned)
            .ok_or_else(|| Error::Unavailable("the S3 server gave no ETag for a part".into()))
    }

    async fn put_gathered(
        &self,
        upload: &Upload,
        number: u32,
        mut body: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
        rule: SizeRule,
    ) -> Result<(u64, String), Error> {
        let limit = rule.most(MAX_UNSIZED);
        let (mut size, mut pieces) = (0, Vec::new());
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(Error::Body)?;
            size += chunk.len() as u64;
            if size > limit {
                return Err(Error::TooLarge { limit });
            }
            pieces.push(chunk);
        }
        let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let key = path(&Key::parse(&upload.key)?)?;
        let payload = PutPayload::from_iter(pieces);
        let put = self
            .store
            .put_part(&key, &remote(upload)?.to_owned(), index, payload)
            .await;
        Ok((size, put.map_err(unavailable)?.content_id))
    }

    /// Makes an object of the parts, which are numbered from 1 without a gap.
    pub(crate) async fn complete(&self, upload: &Upload, key: &Key, parts: Vec<Part>) -> Result<Meta, Error> {
        if parts.iter().zip(1..).any(|(part, number)| part.number != number) {
            return Err(Error::Parts("Parts must be numbered from 1 without a gap".into()));
        }
        let size = parts.iter().map(|part| part.size).sum();
        let ids = parts.into_iter().map(|part| PartId {
            content_id: format!("\"{}\"", part.blob),
        });
        let put = self
            .store
            .complete_multipart(&path(key)?, &remote(upload)?.to_owned(), ids.collect())
            .await
            .map_err(unavailable)?;
        Ok(Meta {
            size,
            etag: put.e_tag.unwrap_or_default().trim_matches('"').to_owned(),
            content_type: upload.content_type.clone(),
            modified: std::time::SystemTime::now(),
        })
    }
}

fn remote(upload: &Upload) -> Result<&str, Error> {
    upload
        .remote
        .as_deref()
        .ok_or_else(|| Error::NoUpload(upload.id.clone()))
}
