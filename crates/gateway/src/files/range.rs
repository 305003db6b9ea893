//! The header `Range`, as far as it is understood: one range of bytes.

use hypha_storage::ByteRange;

/// The range that a header names. `None` for everything else (several ranges, another unit, what is no range), which
/// means the whole: official clients send `bytes=0--1` when they want nothing.
pub(super) fn parse(header: &str) -> Option<ByteRange> {
    let spec = header.trim().strip_prefix("bytes=")?.trim();
    let (first, last) = spec.split_once('-')?;
    match (first, last) {
        ("", count) => number(count).map(ByteRange::Last),
        (first, "") => number(first).map(ByteRange::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::Between(first, last))
        }
    }
}

/// Digits only: Rust would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More than there can be is as good as all there is.
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_range() {
        for (header, expected) in [
            ("bytes=0-0", Some(ByteRange::Between(0, 0))),
            (" bytes=5-9 ", Some(ByteRange::Between(5, 9))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("bytes=-5", Some(ByteRange::Last(5))),
            (
                "bytes=0-99999999999999999999999",
                Some(ByteRange::Between(0, u64::MAX)),
            ),
            ("bytes=0--1", None),
            ("bytes=9-5", None),
            ("bytes=0-1,4-5", None),
            ("bytes=+1-2", None),
            ("bytes=-", None),
            ("bytes=", None),
            ("items=0-1", None),
            ("", None),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }
}
