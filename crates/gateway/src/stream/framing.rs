//! Frames on a stream: a length of four bytes, big-endian, and MessagePack.
//!
//! Messages are passed on as they are; what the hub itself says is a map with `type`. The end of the stream is the end of the
//! body; the reason goes out before it as an `error`.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use hypha_hub::outbox::{CloseReason, FrameKind, Framing};
use hypha_wire::Value;
use hypha_wire::convert::from_json;

/// Frames with lengths, server to client.
pub(super) static STREAM: StreamFraming = StreamFraming;

/// See [`STREAM`].
pub(super) struct StreamFraming;

impl Framing for StreamFraming {
    fn prefix(&self, kind: FrameKind, len: usize, out: &mut BytesMut) {
        if kind == FrameKind::Close && len == 0 {
            return;
        }
        // An outbox holds far less than 4 GiB.
        out.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    }

    fn control_body<'a>(&self, json: &'a [u8]) -> Cow<'a, [u8]> {
        match serde_json::from_slice(json) {
            Ok(message) => Cow::Owned(hypha_wire::encode(&from_json(message))),
            Err(error) => {
                tracing::error!(%error, "a control frame of the hub is not JSON");
                Cow::Borrowed(json)
            }
        }
    }

    fn close_body(&self, reason: &CloseReason) -> Bytes {
        if reason.text.is_empty() {
            return Bytes::new();
        }
        let mut message = Value::empty_map();
        message.insert("type", "error");
        message.insert("message", reason.text.as_str());
        hypha_wire::encode(&message).into()
    }
}

#[cfg(test)]
mod tests {
    use hypha_hub::outbox::Outbox;

    use super::*;

    fn written(fill: impl FnOnce(&Outbox)) -> Vec<Vec<u8>> {
        let outbox = Outbox::new(&STREAM, 1 << 20);
        fill(&outbox);
        let mut batch = std::collections::VecDeque::new();
        let waker = futures_util::task::noop_waker();
        let ready = outbox.poll_take(&mut std::task::Context::from_waker(&waker), &mut batch);
        assert!(ready.is_ready());
        let bytes: Vec<u8> = batch.iter().flatten().copied().collect();
        let mut rest = bytes.as_slice();
        let mut frames = Vec::new();
        while let Some((length, body)) = rest.split_first_chunk::<4>() {
            let (frame, after) = body.split_at(u32::from_be_bytes(*length) as usize);
            frames.push(frame.to_vec());
            rest = after;
        }
        frames
    }

    #[test]
    fn control_frames_are_messagepack_and_the_reason_comes_last() {
        let frames = written(|outbox| {
            outbox.push(FrameKind::Text, br#"{"type":"pong"}"#).unwrap();
            outbox.push(FrameKind::Binary, b"\x80").unwrap();
            outbox.close(&CloseReason::new(1001, "bye"));
        });
        assert_eq!(frames[0], b"\x81\xa4type\xa4pong");
        assert_eq!(frames[1], b"\x80");
        assert_eq!(frames[2], b"\x82\xa4type\xa5error\xa7message\xa3bye");
    }

    #[test]
    fn an_end_without_a_reason_is_silent() {
        assert!(written(|outbox| outbox.close(&CloseReason::new(1000, ""))).is_empty());
    }
}
