//! The bare relay: what forwarding a message costs at the least, to compare the hub with.
//!
//! One thread, one loop. A client connects to `/<index>`; each binary message starts with the index of the client it is for
//! (two bytes, big endian) and is forwarded to it as it is. What a wake-up brought in goes out with one write per receiver. There
//! is no identity, no check and no limit; it is for measurements on one machine.

use std::io::{Cursor, ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::mask::mask;

/// Bytes read at once.
const READ: usize = 256 * 1024;

const LISTENER: Token = Token(usize::MAX);

struct Peer {
    stream: TcpStream,
    /// Bytes of a message that has not come in whole yet.
    partial: Vec<u8>,
    output: Vec<u8>,
    /// Bytes of `output` that have been written.
    written: usize,
    /// Its index once the upgrade is done.
    index: Option<usize>,
}

/// Serves until the process is ended.
///
/// # Errors
/// If the port cannot be bound.
pub(crate) fn serve(port: u16) -> Result<()> {
    let mut poll = Poll::new()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut listener = TcpListener::bind(address).with_context(|| format!("bind {address}"))?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut relay = Relay::default();
    let mut events = Events::with_capacity(1024);
    let mut scratch = vec![0; READ];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(relay.peers.len());
                    poll.registry()
                        .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
                    relay.peers.push(Some(Peer::new(stream)));
                }
                continue;
            }
            let slot = event.token().0;
            if event.is_readable() && relay.read(slot, &mut scratch).is_err() {
                relay.remove(slot);
            }
            if event.is_writable() {
                relay.dirty.push(slot);
            }
        }
        relay.flush();
    }
}

#[derive(Default)]
struct Relay {
    /// Connections by slot; slots are not reused.
    peers: Vec<Option<Peer>>,
    /// Slots by client index.
    slots: Vec<Option<usize>>,
    /// Slots with something to write.
    dirty: Vec<usize>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        Peer {
            stream,
            partial: Vec::new(),
            output: Vec::new(),
            written: 0,
            index: None,
        }
    }
}

impl Relay {
    fn remove(&mut self, slot: usize) {
        if let Some(Peer {
            index: Some(index), ..
        }) = self.peers[slot].take()
        {
            self.slots[index] = None;
        }
    }

    /// Reads until nothing is left and forwards every whole message.
    fn read(&mut self, slot: usize, scratch: &mut [u8]) -> Result<()> {
        loop {
            let Some(peer) = &mut self.peers[slot] else {
                return Ok(());
            };
            let count = match peer.stream.read(scratch) {
                Ok(0) => bail!("closed"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if peer.index.is_none() {
                peer.partial.extend_from_slice(&scratch[..count]);
                self.upgrade(slot)?;
            } else if peer.partial.is_empty() {
                let used = self.forward(&mut scratch[..count])?;
                if let Some(peer) = &mut self.peers[slot] {
                    peer.partial.extend_from_slice(&scratch[used..count]);
                }
            } else {
                let mut bytes = std::mem::take(&mut peer.partial);
                bytes.extend_from_slice(&scratch[..count]);
                let used = self.forward(&mut bytes)?;
                bytes.drain(..used);
                if let Some(peer) = &mut self.peers[slot] {
                    peer.partial = bytes;
                }
            }
            // A short read emptied the socket; what comes later is announced again.
            if count < scratch.len() {
                return Ok(());
            }
        }
    }

    fn upgrade(&mut self, slot: usize) -> Result<()> {
        let Some(peer) = &mut self.peers[slot] else {
            return Ok(());
        };
        let request = String::from_utf8_lossy(&peer.partial);
        if !request.ends_with("\r\n\r\n") {
            return Ok(());
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let index: usize = path
            .trim_start_matches('/')
            .parse()
            .context("index of the client")?;
        let key = request
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let accept = derive_accept_key(key.context("Sec-WebSocket-Key")?.as_bytes());
        peer.output.extend_from_slice(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .as_bytes(),
        );
        peer.partial.clear();
        peer.index = Some(index);
        if self.slots.len() <= index {
            self.slots.resize(index + 1, None);
        }
        self.slots[index] = Some(slot);
        self.dirty.push(slot);
        Ok(())
    }

    /// Forwards the whole messages in `bytes`; how many bytes they had.
    fn forward(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut used = 0;
        loop {
            let mut cursor = Cursor::new(&bytes[used..]);
            let Some((header, length)) = FrameHeader::parse(&mut cursor)? else {
                return Ok(used);
            };
            let start = used + cursor.position() as usize;
            let end = start + length as usize;
            if bytes.len() < end {
                return Ok(used);
            }
            used = end;
            let OpCode::Data(Data::Binary) = header.opcode else {
                bail!("not a binary message");
            };
            let payload = &mut bytes[start..end];
            mask(payload, header.mask.context("a mask")?);
            let index = payload.first_chunk().map(|index| u16::from_be_bytes(*index));
            let index = usize::from(index.context("an index")?);
            let Some(slot) = self.slots.get(index).copied().flatten() else {
                continue;
            };
            let Some(peer) = &mut self.peers[slot] else {
                continue;
            };
            if peer.output.is_empty() {
                self.dirty.push(slot);
            }
            let header = FrameHeader {
                opcode: header.opcode,
                ..FrameHeader::default()
            };
            header.format(length, &mut peer.output)?;
            peer.output.extend_from_slice(payload);
        }
    }

    /// One write per connection that has something to send.
    fn flush(&mut self) {
        while let Some(slot) = self.dirty.pop() {
            let Some(peer) = &mut self.peers[slot] else {
                continue;
            };
            while peer.written < peer.output.len() {
                match peer.stream.write(&peer.output[peer.written..]) {
                    Ok(count) => peer.written += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => {
                        self.remove(slot);
                        break;
                    }
                }
            }
            if let Some(peer) = &mut self.peers[slot]
                && peer.written == peer.output.len()
            {
                peer.output.clear();
                peer.written = 0;
            }
        }
    }
}
