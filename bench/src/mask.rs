//! Masking of WebSocket payloads.

/// Applies `key` to the bytes of one frame, from its start; doing it twice undoes it.
pub(crate) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let wide = u64::from_ne_bytes([key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn masks_like_the_standard_says() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes: Vec<u8> = (0..37).collect();
        mask(&mut bytes, key);
        let expected: Vec<u8> = (0..37u8).map(|i| i ^ key[usize::from(i) % 4]).collect();
        assert_eq!(bytes, expected);
    }
}
