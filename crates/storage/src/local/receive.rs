//! From a stream to a file: hashed on the way, a piece in the disk's hands while the next one is gathered.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use md5::{Digest, Md5};
use tokio::task::JoinHandle;

use super::blobs::{Blobs, Writing};
use crate::error::Error;
use crate::object::SizeRule;

/// How much is gathered before it is written, in bytes.
const PIECE: usize = 1 << 20;

/// A file that has been received and is on disk. Deleted when dropped, unless it is kept.
pub(crate) struct Received {
    pub(crate) file: Writing,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
}

type Written = Result<(Writing, Md5), io::Error>;

/// Receives a body. At most two pieces of it are in memory.
pub(crate) async fn receive(
    blobs: &Arc<Blobs>,
    mut body: impl Stream<Item = io::Result<Bytes>> + Unpin,
    rule: SizeRule,
    limit: u64,
) -> Result<Received, Error> {
    let most = rule.most(limit);
    let maker = blobs.clone();
    let mut writing: JoinHandle<Written> =
        tokio::task::spawn_blocking(move || Ok((maker.create()?, Md5::new())));
    let mut piece = Vec::new();
    let (mut in_piece, mut size) = (0, 0);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(Error::Body)?;
        size += chunk.len() as u64;
        if size > most {
            rule.check(size)?;
            return Err(Error::TooLarge { limit: most });
        }
        in_piece += chunk.len();
        piece.push(chunk);
        if in_piece >= PIECE {
            let chunks = std::mem::take(&mut piece);
            in_piece = 0;
            let (file, md5) = written(writing).await?;
            writing = tokio::task::spawn_blocking(move || write(file, md5, chunks));
        }
    }
    rule.check(size)?;
    let (file, md5) = written(writing).await?;
    let finished: Result<(Writing, Md5), io::Error> = tokio::task::spawn_blocking(move || {
        let (mut file, md5) = write(file, md5, piece)?;
        file.finish()?;
        Ok((file, md5))
    })
    .await
    .unwrap_or_else(|error| Err(io::Error::other(error)));
    let (file, md5) = finished.map_err(|error| Error::disk(&error))?;
    let md5 = md5.finalize().into();
    Ok(Received { file, size, md5 })
}

fn write(mut file: Writing, mut md5: Md5, chunks: Vec<Bytes>) -> Written {
    for chunk in &chunks {
        md5.update(chunk);
    }
    file.write(chunks)?;
    Ok((file, md5))
}

async fn written(writing: JoinHandle<Written>) -> Result<(Writing, Md5), Error> {
    let written = writing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    written.map_err(|error| Error::disk(&error))
}
