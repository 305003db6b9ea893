//! Lines of bounded length from a pipe, and what of them may be shown.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// The next line without its end, or its first `max` bytes (the rest is the next line then). `None` at the end.
///
/// # Errors
/// The pipe cannot be read.
pub(crate) async fn next_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    max: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if reader.take(max).read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(line))
}

/// A line without the token `secret` (if there is one) and without anything that looks like a JSON web token.
pub(crate) fn without_tokens(line: &str, secret: &str) -> String {
    let line = if secret.is_empty() {
        line.to_owned()
    } else {
        line.replace(secret, HIDDEN)
    };
    let mut shown = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(at) = rest.find(TOKEN_START) {
        let (before, found) = rest.split_at(at);
        let end = found.find(|c: char| !is_token_char(c)).unwrap_or(found.len());
        let (word, after) = found.split_at(end);
        shown.push_str(before);
        shown.push_str(if word.matches('.').count() == 2 {
            HIDDEN
        } else {
            word
        });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// What a secret is replaced with.
const HIDDEN: &str = "***";
/// How the head of every JSON web token begins: `{"` in base64.
const TOKEN_START: &str = "eyJ";

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_shown() {
        for (line, shown) in [
            ("token=eyJhb.eyJ_c-.sig, eyJ", "token=***, eyJ"),
            ("my key k-1 is k-1", "my key *** is ***"),
            ("eyJa.b", "eyJa.b"),
            ("\u{e9}eyJa.b.c\u{e9}", "\u{e9}***\u{e9}"),
        ] {
            assert_eq!(without_tokens(line, "k-1"), shown);
        }
        assert_eq!(without_tokens("plain", ""), "plain");
    }

    #[tokio::test]
    async fn long_lines_come_in_parts() {
        let mut input: &[u8] = b"ab\r\ncdefg\n\nh";
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut input, 4).await.unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["ab", "cdef", "g", "", "h"]);
    }
}
