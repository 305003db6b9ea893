//! A raw WebSocket: one TCP stream, one buffer each way.
//!
//! It does as little as a client can do, so that what is measured is the server: frames are encoded in place behind each other
//! and leave with one write, and what came with one read is looked at in place.

use std::io::Cursor;
use std::net::SocketAddr;
use std::ops::Range;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::mask::mask;

/// Any key is as good as another here; it is not zero, so that servers have to unmask.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Bytes the receive buffer starts with, and has at least free before a read once it has grown.
const READ: usize = 4 * 1024;

/// Longest frame taken from a server.
const MAX_FRAME: u64 = 128 * 1024 * 1024;

/// Longest answer to the upgrade request.
const MAX_UPGRADE: usize = 16 * 1024;

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// What came and was not looked at yet.
    pub(crate) input: Input,
    /// What is to be sent.
    pub(crate) output: Output,
}

/// The receive buffer; `start..end` is filled.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// The send buffer.
#[derive(Debug, Default)]
pub(crate) struct Output {
    buffer: Vec<u8>,
}

/// A frame in the receive buffer.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    /// A binary message.
    Binary(&'a [u8]),
    /// A text message.
    Text(&'a [u8]),
}

impl Socket {
    /// Connects to `address` and upgrades `path` to a WebSocket.
    ///
    /// # Errors
    /// If nobody listens, or the answer is anything but 101.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Result<Socket> {
        let stream = TcpStream::connect(address).await.context("connect")?;
        stream.set_nodelay(true)?;
        let mut socket = Socket {
            stream,
            input: Input::default(),
            output: Output::default(),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        socket.stream.write_all(request.as_bytes()).await?;
        loop {
            socket.fill().await?;
            let answer = socket.input.filled();
            if let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") {
                if !answer.starts_with(b"HTTP/1.1 101") {
                    bail!(
                        "upgrade refused: {}",
                        String::from_utf8_lossy(&answer[..end.min(200)])
                    );
                }
                socket.input.start += end + 4;
                return Ok(socket);
            }
            if answer.len() > MAX_UPGRADE {
                bail!("the answer to the upgrade has no end");
            }
        }
    }

    /// Waits for bytes and reads what is there, with one read.
    ///
    /// # Errors
    /// If the server closed the stream.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(self.input.free()) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => {
                    self.input.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends what was pushed.
    ///
    /// # Errors
    /// If the server closed the stream.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if !self.output.buffer.is_empty() {
            self.stream.write_all(&self.output.buffer).await?;
            self.output.buffer.clear();
        }
        Ok(())
    }

    /// Gives the memory of empty buffers back; for connections that are kept but idle.
    pub(crate) fn shrink(&mut self) {
        if self.input.start == self.input.end {
            self.input = Input::default();
        }
        self.output = Output::default();
    }
}

impl Input {
    fn filled(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Room for the next read.
    fn free(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end < READ {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() - self.end < READ {
                let size = (self.buffer.len() * 2).max(READ);
                self.buffer.resize(size, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// The next complete frame; `None` if more has to be read. Pings are answered through `output`.
    ///
    /// # Errors
    /// If the server sent a close frame, fragments or no WebSocket frame at all.
    pub(crate) fn next(&mut self, output: &mut Output) -> Result<Option<Frame<'_>>> {
        while let Some((opcode, range)) = self.take()? {
            match opcode {
                OpCode::Data(Data::Binary) => return Ok(Some(Frame::Binary(&self.buffer[range]))),
                OpCode::Data(Data::Text) => return Ok(Some(Frame::Text(&self.buffer[range]))),
                OpCode::Control(Control::Ping) => {
                    output.push(OpCode::Control(Control::Pong), &self.buffer[range]);
                }
                OpCode::Control(Control::Pong) => {}
                OpCode::Control(Control::Close) => {
                    let reason = &self.buffer[range];
                    let code = reason
                        .get(..2)
                        .map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
                    let reason = String::from_utf8_lossy(reason.get(2..).unwrap_or_default());
                    bail!("closed by the server: {code} {reason}");
                }
                other => bail!("unexpected opcode {other}"),
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Result<Option<(OpCode, Range<usize>)>> {
        let mut cursor = Cursor::new(self.filled());
        let Some((header, length)) = FrameHeader::parse(&mut cursor)? else {
            return Ok(None);
        };
        if length > MAX_FRAME || !header.is_final || header.mask.is_some() {
            bail!("a frame of {length} bytes that is too long, masked or not final");
        }
        // Both are far below the limit just checked.
        let (head, length) = (cursor.position() as usize, length as usize);
        if self.end - self.start < head + length {
            return Ok(None);
        }
        let payload = self.start + head..self.start + head + length;
        self.start = payload.end;
        Ok(Some((header.opcode, payload)))
    }
}

impl Output {
    /// Appends a binary message.
    pub(crate) fn binary(&mut self, payload: &[u8]) {
        self.push(OpCode::Data(Data::Binary), payload);
    }

    /// Appends a text message.
    pub(crate) fn text(&mut self, payload: &str) {
        self.push(OpCode::Data(Data::Text), payload.as_bytes());
    }

    fn push(&mut self, opcode: OpCode, payload: &[u8]) {
        let header = FrameHeader {
            opcode,
            mask: Some(MASK),
            ..FrameHeader::default()
        };
        // Writing into a vector does not fail.
        let _ = header.format(payload.len() as u64, &mut self.buffer);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(payload);
        mask(&mut self.buffer[start..], MASK);
    }
}
