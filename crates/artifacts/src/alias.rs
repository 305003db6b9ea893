//! Aliases that are made up: from a pattern with placeholders, or from words.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::ids::{self, MAX_ALIAS};
use crate::model::Object;

/// How many names are tried before giving up.
pub(crate) const ROUNDS: usize = 10;

const ADJECTIVES: [&str; 32] = [
    "amber", "bold", "brisk", "calm", "clear", "crisp", "dapper", "eager", "early", "fond", "fresh",
    "gentle", "glad", "keen", "kind", "lively", "lucid", "mellow", "neat", "noble", "plain", "proud",
    "quick", "quiet", "ready", "robust", "sharp", "shiny", "snug", "sturdy", "vivid", "warm",
];
const NOUNS: [&str; 32] = [
    "acorn", "anchor", "badger", "beacon", "birch", "bridge", "canyon", "cedar", "cloud", "comet", "crane",
    "delta", "ember", "falcon", "fern", "garnet", "glacier", "harbor", "heron", "island", "juniper",
    "lantern", "maple", "meadow", "otter", "pebble", "prism", "quartz", "river", "sparrow", "tundra",
    "willow",
];
const VERBS: [&str; 32] = [
    "bakes", "bends", "builds", "carves", "climbs", "dances", "digs", "drifts", "finds", "floats", "glides",
    "glows", "grows", "hums", "jumps", "knits", "lands", "leaps", "maps", "mends", "paints", "plays",
    "reads", "rests", "rolls", "sails", "sings", "skips", "spins", "swims", "walks", "waves",
];
const ADVERBS: [&str; 32] = [
    "again", "ahead", "always", "apart", "boldly", "briskly", "calmly", "closely", "daily", "deeply",
    "early", "fairly", "fast", "firmly", "freely", "gently", "gladly", "keenly", "kindly", "lightly",
    "nearby", "neatly", "often", "openly", "quickly", "quietly", "safely", "slowly", "softly", "soon",
    "together", "well",
];

/// Four words, such as `calm-otter-sings-softly`.
pub(crate) fn words(rng: &mut impl Rng) -> String {
    let mut pick = |words: &[&'static str; 32]| words.choose(rng).copied().unwrap_or("x");
    format!(
        "{}-{}-{}-{}",
        pick(&ADJECTIVES),
        pick(&NOUNS),
        pick(&VERBS),
        pick(&ADVERBS)
    )
}

/// Whether a pattern gives another name each time.
pub(crate) fn is_pattern(alias: &str) -> bool {
    alias.contains('{')
}

/// Checks the form of an alias or pattern.
pub(crate) fn check_pattern(alias: &str) -> Result<()> {
    if alias.len() > MAX_ALIAS {
        return Err(Error::value(format!(
            "Alias should be at most {MAX_ALIAS} characters"
        )));
    }
    if ids::uuid(alias).is_some() {
        return Err(Error::value(
            "Alias should be a human readable string, it cannot be a UUID.",
        ));
    }
    Ok(())
}

/// Fills in the placeholders of a pattern. `id_parts` is from the parent's config.
pub(crate) fn expand(
    pattern: &str,
    user_id: &str,
    id_parts: Option<&Object>,
    rng: &mut impl Rng,
) -> Result<String> {
    let mut alias = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after
            .split_once('}')
            .ok_or_else(|| Error::value("The alias has a '{' without a '}'"))?;
        alias.push_str(before);
        alias.push_str(&placeholder(key, user_id, id_parts, rng)?);
        rest = after;
    }
    alias.push_str(rest);
    ids::alias(&alias)?;
    Ok(alias)
}

fn placeholder(key: &str, user_id: &str, id_parts: Option<&Object>, rng: &mut impl Rng) -> Result<String> {
    Ok(match key {
        "uuid" => Uuid::now_v7().to_string(),
        "timestamp" => {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            since.as_secs().to_string()
        }
        "user_id" => user_id.to_owned(),
        "zenodo_id" | "zenodo_conceptrecid" => {
            return Err(Error::Unsupported(
                "Publishing to Zenodo is not supported yet".into(),
            ));
        }
        key => match id_parts.and_then(|parts| parts.get(key)) {
            Some(Json::Array(choices)) => choices.choose(rng).map(as_text).unwrap_or_default(),
            Some(value) => as_text(value),
            None => Uuid::new_v4().to_string(),
        },
    })
}

fn as_text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns() {
        let mut rng = StdRng::seed_from_u64(1);
        let parts = json!({"animal": ["cat", "dog"], "n": 3})
            .as_object()
            .unwrap()
            .clone();
        let mut expand = |pattern: &str| expand(pattern, "ann", Some(&parts), &mut rng);
        assert_eq!(expand("plain").unwrap(), "plain");
        assert_eq!(expand("{user_id}-{n}").unwrap(), "ann-3");
        assert!(["cat-x", "dog-x"].contains(&expand("{animal}-x").unwrap().as_str()));
        assert_eq!(expand("a-{unknown}").unwrap().len(), 38);
        assert_eq!(expand("a-{uuid}").unwrap().len(), 38);
        for wrong in ["{user_id", "{zenodo_id}", "a/{n}", "{}/"] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
        assert!(check_pattern("0190b0a0-0000-7000-8000-000000000000").is_err());
    }

    #[test]
    fn words_are_an_alias() {
        let words = words(&mut StdRng::seed_from_u64(2));
        assert_eq!(words.split('-').count(), 4);
        assert!(ids::alias(&words).is_ok());
    }
}
