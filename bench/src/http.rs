//! A small HTTP/1.1 client: one connection that is kept, one request at a time. Bodies are counted and thrown away.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Most bytes of one read.
const READ: usize = 256 * 1024;

/// Longest head of an answer, and longest line of a chunk.
const MAX_HEAD: usize = 32 * 1024;

/// Most bytes of one write of a large body.
const WRITE: usize = 256 * 1024;

/// Longest wait for bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Http {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

/// What came back with status 200.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// From sending the request to its first byte.
    pub(crate) first_byte: Duration,
    /// From sending the request to its last byte.
    pub(crate) whole: Duration,
    /// Bytes of the body.
    pub(crate) body: u64,
}

/// How long a body is.
enum Length {
    Known(u64),
    Chunked,
}

/// A request as bytes. `token` goes into the `Authorization` header unless it is empty; `body` is its media type and bytes.
pub(crate) fn request(method: &str, path: &str, token: &str, body: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut head = head(method, path, token);
    if let Some((media_type, body)) = body {
        head += &format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", body.len());
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend_from_slice(body.map_or(&[], |(_, body)| body));
    bytes
}

fn head(method: &str, path: &str, token: &str) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if !token.is_empty() {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    head
}

impl Http {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub(crate) async fn open(address: SocketAddr) -> Result<Http> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        Ok(Http {
            stream,
            buffer: Box::default(),
            start: 0,
            end: 0,
        })
    }

    /// Sends a request and waits for the end of its answer.
    ///
    /// # Errors
    /// If the connection is lost, the answer is no HTTP/1.1, or its status is not 200.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        let sent = Instant::now();
        self.stream.write_all(request).await?;
        self.answer(sent).await
    }

    /// Sends `size` bytes to `path` with PUT and waits for the end of the answer.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) async fn put(&mut self, path: &str, token: &str, size: usize) -> Result<Answer> {
        let sent = Instant::now();
        let head = head("PUT", path, token);
        let head = format!("{head}Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        let block = vec![0x5a; WRITE.min(size)];
        let mut left = size;
        while left > 0 {
            let take = left.min(block.len());
            self.stream.write_all(&block[..take]).await?;
            left -= take;
        }
        self.answer(sent).await
    }

    async fn answer(&mut self, sent: Instant) -> Result<Answer> {
        if self.start == self.end {
            self.fill().await?;
        }
        let first_byte = sent.elapsed();
        let head = self.until(b"\r\n\r\n").await?;
        let (status, length) = parse(&head)?;
        let mut body = 0;
        match length {
            Length::Known(length) => {
                if status != 200 {
                    let text = self.text(length).await?;
                    bail!("status {status}: {text}");
                }
                self.skip(length).await?;
                body = length;
            }
            Length::Chunked => loop {
                let line = self.until(b"\r\n").await?;
                let line = std::str::from_utf8(&line)?.trim();
                let size = u64::from_str_radix(line, 16).with_context(|| format!("chunk size {line:?}"))?;
                self.skip(size).await?;
                ensure!(self.until(b"\r\n").await?.len() == 2, "a chunk has no end");
                body += size;
                if size == 0 {
                    ensure!(status == 200, "status {status}");
                    break;
                }
            },
        }
        Ok(Answer {
            first_byte,
            whole: sent.elapsed(),
            body,
        })
    }

    /// Waits for bytes behind those that are there.
    async fn fill(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            // Connections with small answers stay small.
            self.buffer = vec![0; 4096].into();
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            ensure!(self.end < MAX_HEAD, "a head or a line without an end");
            self.grow(self.end * 2);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]);
        let count = tokio::time::timeout(PATIENCE, read)
            .await
            .context("no answer")??;
        ensure!(count > 0, "the server closed the connection");
        self.end += count;
        Ok(())
    }

    fn grow(&mut self, size: usize) {
        let mut buffer = std::mem::take(&mut self.buffer).into_vec();
        buffer.resize(size, 0);
        self.buffer = buffer.into();
    }

    /// What comes up to and with `mark`.
    async fn until(&mut self, mark: &[u8]) -> Result<Vec<u8>> {
        loop {
            let filled = &self.buffer[self.start..self.end];
            if let Some(at) = memchr::memmem::find(filled, mark) {
                let found = filled[..at + mark.len()].to_vec();
                self.start += found.len();
                return Ok(found);
            }
            self.fill().await?;
        }
    }

    async fn skip(&mut self, mut count: u64) -> Result<()> {
        if count > 64 * 1024 && self.buffer.len() < READ {
            self.grow(READ);
        }
        loop {
            let there = count.min((self.end - self.start) as u64);
            // Both are at most the length of the buffer.
            self.start += there as usize;
            count -= there;
            if count == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// A short body, for a message.
    async fn text(&mut self, length: u64) -> Result<String> {
        while ((self.end - self.start) as u64) < length.min(1_000) {
            self.fill().await?;
        }
        let end = self.end.min(self.start + 1_000);
        Ok(String::from_utf8_lossy(&self.buffer[self.start..end]).into_owned())
    }
}

/// Status and length of the body.
fn parse(head: &[u8]) -> Result<(u16, Length)> {
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let status = head.strip_prefix("http/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.context("no status line")?.parse()?;
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    };
    let length = match header("content-length") {
        Some(length) => Length::Known(length.parse()?),
        None if header("transfer-encoding") == Some("chunked") => Length::Chunked,
        None => bail!("an answer whose end only the end of the connection tells"),
    };
    Ok((status, length))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn known_and_chunked_bodies_are_read_to_their_end() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).await.unwrap();
            assert!(request[..count].starts_with(b"GET /a HTTP/1.1\r\n"));
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
                .await
                .unwrap();
            let _ = stream.read(&mut request).await.unwrap();
            let body = format!("5\r\nabcde\r\n3000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x3000));
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream
                .write_all((head.to_owned() + &body).as_bytes())
                .await
                .unwrap();
            let _ = stream.read(&mut request).await.unwrap();
            let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope";
            stream.write_all(refusal).await.unwrap();
        });
        let mut http = Http::open(address).await.unwrap();
        let request = request("GET", "/a", "", None);
        assert_eq!(http.ask(&request).await.unwrap().body, 3);
        assert_eq!(http.ask(&request).await.unwrap().body, 5 + 0x3000);
        let refused = http.ask(&request).await.unwrap_err();
        assert_eq!(refused.to_string(), "status 403: nope");
        server.await.unwrap();
    }
}
