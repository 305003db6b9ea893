//! The WebSocket framing of what a server sends (RFC 6455, section 5.2): unmasked, unfragmented.

use bytes::{BufMut, Bytes, BytesMut};
use hypha_hub::outbox::{CloseReason, FrameKind, Framing};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Longest reason in a close frame, in bytes (a control frame carries 125, two of them the code).
const MAX_REASON: usize = 123;

/// WebSocket frames, server to client.
pub(crate) static WEBSOCKET: WebSocketFraming = WebSocketFraming;

/// See [`WEBSOCKET`].
pub(crate) struct WebSocketFraming;

impl Framing for WebSocketFraming {
    fn prefix(&self, kind: FrameKind, len: usize, out: &mut BytesMut) {
        let opcode = match kind {
            FrameKind::Binary => OpCode::Data(Data::Binary),
            FrameKind::Text => OpCode::Data(Data::Text),
            FrameKind::Close => OpCode::Control(Control::Close),
        };
        let header = FrameHeader {
            opcode,
            mask: None,
            is_final: true,
            ..FrameHeader::default()
        };
        if let Err(error) = header.format(len as u64, &mut out.writer()) {
            // Writing to memory does not fail; if it did, the peer would see a broken frame and close.
            tracing::error!(%error, "cannot write a frame header");
        }
    }

    fn close_body(&self, reason: &CloseReason) -> Bytes {
        let mut end = reason.text.len().min(MAX_REASON);
        while !reason.text.is_char_boundary(end) {
            end -= 1;
        }
        let mut body = BytesMut::with_capacity(2 + end);
        body.put_u16(reason.code);
        body.put_slice(&reason.text.as_bytes()[..end]);
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_shortest_length_form() {
        for (len, expected) in [
            (5, vec![0x82, 5]),
            (300, vec![0x82, 126, 1, 44]),
            (70_000, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]),
        ] {
            let mut out = BytesMut::new();
            WEBSOCKET.prefix(FrameKind::Binary, len, &mut out);
            assert_eq!(out.to_vec(), expected);
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        let body = WEBSOCKET.close_body(&CloseReason::new(1001, "é".repeat(100)));
        assert_eq!(body[..2], [3, 233]);
        assert_eq!(body.len(), 2 + 122);
        assert!(std::str::from_utf8(&body[2..]).is_ok());
    }
}
