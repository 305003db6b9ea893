//! The public keys of an issuer.
//!
//! A key that is not known makes the hub ask the issuer, but not again for half a minute, whatever keys are named
//! meanwhile and whether the issuer has answered or not. So tokens with made-up key ids cost one request in that time.

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Time between two requests for keys.
const PAUSE: Duration = Duration::from_secs(30);
/// Keys are asked for again after this, so that one that was withdrawn is not believed for ever.
const LIFE: Duration = Duration::from_secs(3600);
/// Keys that are taken from an answer.
const MAX_KEYS: usize = 64;

/// One public key, and the only algorithm that it is used with.
#[derive(Clone)]
pub(super) struct PublicKey {
    pub(super) key: DecodingKey,
    pub(super) algorithm: Algorithm,
}

/// See the module documentation.
#[derive(Default)]
pub(super) struct Keys {
    known: RwLock<Known>,
    asking: Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, PublicKey>,
    asked: Option<Instant>,
    answered: Option<Instant>,
}

impl Known {
    /// The key with this id; without an id, the only one.
    fn find(&self, id: Option<&str>) -> Option<PublicKey> {
        match id {
            Some(id) => self.by_id.get(id).cloned(),
            None if self.by_id.len() == 1 => self.by_id.values().next().cloned(),
            None => None,
        }
    }

    /// The answer to give without asking the issuer, if there is one.
    fn settled(&self, id: Option<&str>) -> Option<Option<PublicKey>> {
        let found = self.find(id);
        let is_fresh = self.answered.is_some_and(|at| at.elapsed() < LIFE);
        let is_too_early = self.asked.is_some_and(|at| at.elapsed() < PAUSE);
        ((found.is_some() && is_fresh) || is_too_early).then_some(found)
    }
}

impl Keys {
    /// The key with this id. `ask` gets the set of keys from the issuer, and is used only when that is due.
    pub(super) async fn get<E: std::fmt::Display>(
        &self,
        id: Option<&str>,
        ask: impl AsyncFnOnce() -> Result<Value, E>,
    ) -> Option<PublicKey> {
        if let Some(settled) = self.known.read().settled(id) {
            return settled;
        }
        let _one_asks = self.asking.lock().await;
        if let Some(settled) = self.known.read().settled(id) {
            return settled;
        }
        let answer = ask().await;
        let mut known = self.known.write();
        known.asked = Some(Instant::now());
        match answer {
            Ok(set) => {
                known.by_id = read(&set);
                known.answered = known.asked;
            }
            // Those that are known go on being used: an issuer that is down for a while locks nobody out.
            Err(error) => tracing::warn!(%error, "the keys of the external issuer cannot be read"),
        }
        known.find(id)
    }
}

/// The keys in a set that verify signatures, by their ids. Others are left out.
fn read(set: &Value) -> HashMap<String, PublicKey> {
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    let key = |value: &Value| {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        if jwk
            .common
            .public_key_use
            .as_ref()
            .is_some_and(|usage| *usage != PublicKeyUse::Signature)
        {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            _ => return None,
        };
        if jwk
            .common
            .key_algorithm
            .is_some_and(|named| named.to_string() != format!("{algorithm:?}"))
        {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some((
            jwk.common.key_id.unwrap_or_default(),
            PublicKey { key, algorithm },
        ))
    };
    keys.take(MAX_KEYS).filter_map(key).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;

    fn ec(id: &str) -> Value {
        json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
    }

    #[test]
    fn only_keys_for_signatures() {
        let mut other_use = ec("enc");
        other_use["use"] = json!("enc");
        let mut other_algorithm = ec("alg");
        other_algorithm["alg"] = json!("HS256");
        let secret = json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0"});
        let set = json!({"keys": [ec("good"), other_use, other_algorithm, secret, {"kty": "new"}, 7]});
        assert_eq!(read(&set).into_keys().collect::<Vec<_>>(), ["good"]);
        assert!(read(&json!({})).is_empty() && read(&json!([])).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_unknown_ids_asks_once() {
        let (keys, asked) = (Keys::default(), AtomicUsize::new(0));
        let get = async |id: &str| {
            let ask = async || {
                asked.fetch_add(1, Ordering::Relaxed);
                Ok::<_, String>(json!({"keys": [ec("good")]}))
            };
            keys.get(Some(id), ask).await.is_some()
        };
        for number in 0..1000 {
            assert!(!get(&format!("made-up-{number}")).await);
        }
        assert!(get("good").await);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(PAUSE).await;
        assert!(get("good").await);
        assert_eq!(asked.load(Ordering::Relaxed), 1, "a known key needs no question");
        assert!(!get("made-up").await);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_issuer_is_asked_rarely_and_its_keys_stay() {
        let (keys, asked) = (Keys::default(), AtomicUsize::new(0));
        let first = keys
            .get(Some("good"), async || {
                Ok::<_, String>(json!({"keys": [ec("good")]}))
            })
            .await;
        assert!(first.is_some());
        tokio::time::advance(LIFE).await;
        for _ in 0..10 {
            let ask = async || {
                asked.fetch_add(1, Ordering::Relaxed);
                Err("down".to_owned())
            };
            assert!(keys.get(Some("good"), ask).await.is_some());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}
