//! From files to a stream: a piece is read ahead while the one before is being sent.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use tokio::task::JoinHandle;

use super::blobs::{Blobs, Reading};
use super::pins::Pin;
use crate::index::Segment;
use crate::object::ByteStream;

/// How much is read at a time, in bytes.
const PIECE: u64 = 256 * 1024;

/// What is left to read.
struct Source {
    blobs: Arc<Blobs>,
    /// Files after the open one, with where to start and how much to read.
    files: VecDeque<(String, u64, u64)>,
    open: Option<(Reading, u64)>,
    _pin: Arc<Pin>,
}

impl Source {
    /// The next piece; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some((file, left)) = &mut self.open
                && *left > 0
            {
                let most = usize::try_from((*left).min(PIECE)).unwrap_or(usize::MAX);
                let piece = file.next(most)?;
                if piece.is_empty() {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the file is shorter than it was",
                    ));
                }
                *left -= piece.len() as u64;
                return Ok(Some(piece));
            }
            let Some((name, at, left)) = self.files.pop_front() else {
                return Ok(None);
            };
            self.open = Some((self.blobs.open(&name, at)?, left));
        }
    }
}

/// The bytes of a range. Fails at once when the first file is not there.
pub(crate) async fn deliver(
    blobs: Arc<Blobs>,
    segments: Vec<Segment>,
    range: Range<u64>,
    pin: Arc<Pin>,
) -> io::Result<ByteStream> {
    let mut files = VecDeque::new();
    let mut start = 0;
    for segment in segments {
        let end = start + segment.size;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            files.push_back((segment.blob, from - start, to - from));
        }
        start = end;
    }
    let source = Source {
        blobs,
        files,
        open: None,
        _pin: pin,
    };
    let (first, source) = read(source).await?;
    let Some(first) = first else {
        return Ok(Box::pin(stream::empty()));
    };
    // Reading ahead costs one piece of memory and hides the disk behind the socket.
    let pieces = stream::try_unfold((Some(first), Some(ahead(source))), |(ready, reading)| async {
        if let Some(piece) = ready {
            return Ok(Some((piece, (None, reading))));
        }
        let Some(reading) = reading else { return Ok(None) };
        let (piece, source) = reading
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))?;
        Ok(piece.map(|piece| (piece, (None, Some(ahead(source))))))
    });
    Ok(Box::pin(pieces))
}

type Piece = io::Result<(Option<Bytes>, Source)>;

fn ahead(mut source: Source) -> JoinHandle<Piece> {
    tokio::task::spawn_blocking(move || source.next().map(|piece| (piece, source)))
}

async fn read(source: Source) -> Piece {
    ahead(source)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}
