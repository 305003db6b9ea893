//! The secret in forms that act for somebody who is signed in: only a page that was made for the same sign-in has it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// How long a form may stay open, in seconds.
const LIFE: u64 = 12 * 3600;

fn mac(secret: &[u8; 32], at: u64, credential: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(&at.to_be_bytes());
    mac.update(credential.as_bytes());
    Some(mac)
}

/// The value for a form of whoever is signed in with `credential`, made at `now` (seconds since the Unix epoch).
pub(crate) fn make(secret: &[u8; 32], credential: &str, now: u64) -> String {
    let tag = mac(secret, now, credential).map(|mac| hex::encode(mac.finalize().into_bytes()));
    format!("{now}.{}", tag.unwrap_or_default())
}

/// Whether a value was made for that credential, not too long before `now`.
pub(crate) fn is_valid(secret: &[u8; 32], credential: &str, value: &str, now: u64) -> bool {
    let check = || {
        let (at, tag) = value.split_once('.')?;
        let at: u64 = at.parse().ok()?;
        let tag = hex::decode(tag).ok()?;
        mac(secret, at, credential)?.verify_slice(&tag).ok()?;
        Some(at <= now && now - at <= LIFE)
    };
    check().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_one_sign_in_and_a_while() {
        let secret = [7; 32];
        let value = make(&secret, "token", 1000);
        assert!(is_valid(&secret, "token", &value, 1000 + LIFE));
        assert!(!is_valid(&secret, "token", &value, 1001 + LIFE));
        assert!(!is_valid(&secret, "other", &value, 1000));
        assert!(!is_valid(&[8; 32], "token", &value, 1000));
        assert!(!is_valid(
            &secret,
            "token",
            &value.replacen("1000", "2000", 1),
            2000
        ));
        for bad in ["", ".", "1000.", "1000.00", "x"] {
            assert!(!is_valid(&secret, "token", bad, 1000), "{bad}");
        }
    }
}
