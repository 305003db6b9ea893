//! Messages that are encoded once and patched in place: only the session id changes from call to call.

use hypha_wire::Value;
use hypha_wire::message::{Message, Payload, PromiseSpec};

/// Bytes of a session id: four hexadecimal digits for the caller, twelve for the call.
pub(crate) const SESSION: usize = 16;

const PLACEHOLDER: &str = "@@@@@@@@@@@@@@@@";

/// A session id.
pub(crate) type Session = [u8; SESSION];

/// An encoded message with gaps for a session id.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    gaps: Vec<usize>,
}

impl Template {
    /// A call of `method` at `to` with `data` as its argument; `prefix` goes before the message.
    pub(crate) fn call(prefix: &[u8], from: &str, to: &str, method: &str, data: Vec<Value>) -> Template {
        let payload = Payload {
            promise: Some(PromiseSpec::Short),
            t: Some(15.0),
            ..Payload::args(data)
        };
        let mut message = Message::call(to, method, payload);
        message.from = Some(from.to_owned());
        message.session = Some(PLACEHOLDER.to_owned());
        Template::new(prefix, &message)
    }

    /// The answer to a call, from the callee `from` to the caller `to`.
    pub(crate) fn resolve(prefix: &[u8], from: &str, to: &str, result: Value) -> Template {
        let method = format!("{PLACEHOLDER}.resolve");
        let mut message = Message::call(to, method, Payload::args(vec![result]));
        message.from = Some(from.to_owned());
        message.parent = Some(PLACEHOLDER.to_owned());
        Template::new(prefix, &message)
    }

    fn new(prefix: &[u8], message: &Message) -> Template {
        let bytes = [prefix, &message.encode()].concat();
        let gaps = memchr::memmem::find_iter(&bytes, PLACEHOLDER).collect();
        Template { bytes, gaps }
    }

    /// The message with `session` in it.
    pub(crate) fn with(&mut self, session: &Session) -> &[u8] {
        for gap in &self.gaps {
            self.bytes[*gap..*gap + SESSION].copy_from_slice(session);
        }
        &self.bytes
    }
}

/// The id of call `number` of `caller`.
pub(crate) fn session(caller: u16, number: u64) -> Session {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bits = u64::from(caller) << 48 | number & 0xffff_ffff_ffff;
    let mut id = [0; SESSION];
    for digit in id.iter_mut().rev() {
        *digit = DIGITS[(bits & 15) as usize];
        bits >>= 4;
    }
    id
}

/// The caller that made a session id.
pub(crate) fn caller(session: &Session) -> Option<usize> {
    let digits = std::str::from_utf8(&session[..4]).ok()?;
    usize::from_str_radix(digits, 16).ok()
}

/// The session id in the header of a received call.
pub(crate) fn session_of(message: &[u8]) -> Option<Session> {
    // A key of seven bytes, then the head of a string of sixteen.
    let at = memchr::memmem::find(message, b"\xa7session\xb0")? + 9;
    message.get(at..)?.first_chunk().copied()
}

/// The session id that a received answer resolves; `None` for anything else, such as an error.
pub(crate) fn resolved(message: &[u8]) -> Option<Session> {
    let at = memchr::memmem::find(message, b"\xa6method\xb8")? + 8;
    let (session, rest) = message.get(at..)?.split_first_chunk()?;
    rest.starts_with(b".resolve").then_some(*session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patched_call_is_read_back() {
        let mut call = Template::call(&[0, 1], "w/a", "w/b", "services.echo.echo", vec![Value::Int(1)]);
        let id = session(0x1f, 0xabc);
        assert_eq!(&id, b"001f000000000abc");
        assert_eq!(session_of(call.with(&id)), Some(id));
        assert_eq!(caller(&id), Some(0x1f));
    }

    #[test]
    fn a_patched_answer_is_read_back() {
        let mut answer = Template::resolve(&[], "w/b", "w/a", Value::Nil);
        let id = session(7, 9);
        assert_eq!(resolved(answer.with(&id)), Some(id));
        assert_eq!(resolved(b"\xa6method\xb80000000000000001.reject!!"), None);
    }
}
