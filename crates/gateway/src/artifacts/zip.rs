//! `create-zip-file`: files of an artifact as one zip file, made while it is sent.

mod layout;

use std::io;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response, header};
use hypha_artifacts::FileEntry;
use hypha_storage::{Key, Storage};
use tokio::sync::mpsc;

use self::layout::{Layout, Member};
use super::{actor, failure, flag, selector};
use crate::error::Failure;
use crate::query::Query;
use crate::routes::Shared;

/// Pieces that wait for a slow client.
const WAITING: usize = 4;

/// `GET /{workspace}/artifacts/{alias}/create-zip-file?file=a&file=b`: the files named, or all.
pub(super) async fn create(
    State(shared): State<Shared>,
    Path((workspace, alias)): Path<(String, String)>,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (parts, _) = request.into_parts();
    let query = Query::parse(parts.uri.query());
    let actor = actor(&shared, &parts, &workspace).await?;
    let id = format!("{workspace}/{alias}");
    let named = query.grouped().into_iter().find(|(name, _)| *name == "file");
    let mut paths: Vec<String> = named
        .map(|(_, paths)| paths)
        .unwrap_or_default()
        .into_iter()
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    let silent = flag(&query, "silent");
    let files = shared
        .artifacts
        .files_to_zip(&actor, &id, &paths, &selector(&query)?, silent)
        .await
        .map_err(failure)?;
    let members = files.iter().map(|file| {
        let meta = file.meta.as_ref();
        Member {
            name: file.path.as_str().to_owned(),
            size: meta.map_or(0, |meta| meta.size),
            // Whole seconds are enough.
            modified: meta.map_or(0, |meta| meta.modified as i64),
        }
    });
    let layout = Layout::new(members.collect());
    let length = layout.length();

    let (sender, receiver) = mpsc::channel(WAITING);
    let storage = shared.storage.clone();
    shared.hub.tasks().spawn(async move {
        if let Err(error) = send(&storage, &layout, &files, &sender).await {
            // The response ends too early, which the client sees by its length.
            let _ = sender.send(Err(error)).await;
        }
    });
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = alias.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename={name}.zip")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

async fn send(storage: &Storage, layout: &Layout, files: &[FileEntry], pieces: &Pieces) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    let mut checksums = Vec::with_capacity(files.len());
    for (index, file) in files.iter().enumerate() {
        pieces.send(Ok(layout.before(index))).await.map_err(gone)?;
        let key = Key::parse(&file.object_key).map_err(io::Error::other)?;
        let object = storage.get(&key).await.map_err(io::Error::other)?;
        let expected = layout.size(index);
        if object.meta().size != expected {
            return Err(io::Error::other("a file has changed"));
        }
        let mut checksum = crc32fast::Hasher::new();
        if expected > 0 {
            let mut bytes = object.read(0..expected).await.map_err(io::Error::other)?;
            while let Some(piece) = bytes.next().await {
                let piece = piece?;
                checksum.update(&piece);
                pieces.send(Ok(piece)).await.map_err(gone)?;
            }
        }
        let checksum = checksum.finalize();
        checksums.push(checksum);
        pieces
            .send(Ok(layout.after(index, checksum)))
            .await
            .map_err(gone)?;
    }
    pieces.send(Ok(layout.directory(&checksums))).await.map_err(gone)
}
