//! Arguments of the service's functions in the forms that callers send them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hypha_storage::{Base, PartRef};
use hypha_wire::Value;
use hypha_wire::convert::from_json;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::error::{Error, Result};
use crate::listing::StageFilter;
use crate::model::{Object, Selector};
use crate::view::selector_of;

/// Default life of a signed URL, in seconds.
const EXPIRES_IN: u64 = 3600;
/// Deepest nesting of a manifest or config.
const MAX_DEPTH: usize = 64;

/// One path or many.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Paths {
    /// One: the answer is for it.
    One(String),
    /// Many: the answer is a map.
    Many(Vec<String>),
}

/// One weight, or one for each path.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Weights {
    /// For all.
    One(f64),
    /// One for each.
    Many(Vec<Option<f64>>),
}

/// A version by its name or its place in the list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum VersionArg {
    /// Place in the list, from 0.
    Index(i64),
    /// Name, or `latest` or `stage`.
    Name(String),
}

/// `true`, `false`, or a text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FlagOrText {
    /// Yes or no.
    Flag(bool),
    /// A URL, or a word such as `all`.
    Text(String),
}

/// One text or many.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Texts {
    /// One text, in which commas separate.
    One(String),
    /// Many.
    Many(Vec<String>),
}

/// A part that was uploaded.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct PartArg {
    /// From 1.
    pub part_number: u32,
    /// What the upload was answered with, with or without quotes.
    #[serde(alias = "ETag")]
    pub etag: String,
}

impl Paths {
    /// The paths, and whether the answer is a map.
    pub(crate) fn into_list(self) -> (Vec<String>, bool) {
        match self {
            Self::One(path) => (vec![path], false),
            Self::Many(paths) => (paths, true),
        }
    }
}

/// Paths with their weights.
pub(crate) fn weighted(paths: Vec<String>, weights: Option<Weights>) -> Result<Vec<(String, f64)>> {
    match weights.unwrap_or(Weights::One(0.0)) {
        Weights::One(weight) => Ok(paths.into_iter().map(|path| (path, weight)).collect()),
        Weights::Many(weights) if weights.len() == paths.len() => {
            let weights = weights.into_iter().map(Option::unwrap_or_default);
            Ok(paths.into_iter().zip(weights).collect())
        }
        Weights::Many(_) => Err(Error::value(
            "file_path and download_weight must have the same length",
        )),
    }
}

/// URLs by path, or the one URL.
pub(crate) fn urls(paths: &[String], urls: Vec<String>, as_map: bool) -> Json {
    if as_map {
        return paths
            .iter()
            .cloned()
            .zip(urls)
            .map(|(path, url)| (path, Json::from(url)))
            .collect();
    }
    urls.into_iter().next().map_or(Json::Null, Json::from)
}

/// The version that is asked for.
pub(crate) fn selector(version: Option<VersionArg>, stage: Option<bool>) -> Result<Selector> {
    let stage = stage.unwrap_or_default();
    match version {
        None => selector_of(None, None, stage),
        Some(VersionArg::Name(name)) => selector_of(Some(&name), None, stage),
        Some(VersionArg::Index(index)) => {
            let missing = || Error::NotFound(format!("Artifact version '{index}' does not exist."));
            selector_of(None, Some(usize::try_from(index).map_err(|_| missing())?), stage)
        }
    }
}

/// A version where a name is needed.
pub(crate) fn version_name(version: Option<VersionArg>) -> Option<String> {
    version.map(|version| match version {
        VersionArg::Index(index) => index.to_string(),
        VersionArg::Name(name) => name,
    })
}

/// How long a URL is good and where it points.
pub(crate) fn url_options(expires_in: Option<u64>, use_local_url: Option<FlagOrText>) -> Result<(u64, Base)> {
    let base = match use_local_url {
        None | Some(FlagOrText::Flag(false)) => Base::Public,
        Some(FlagOrText::Flag(true)) => Base::Local,
        Some(FlagOrText::Text(text)) => match text.trim() {
            "" | "false" | "False" | "0" | "null" => Base::Public,
            "true" | "True" | "1" => Base::Local,
            url if url.starts_with("http://") || url.starts_with("https://") => {
                Base::Other(url.trim_end_matches('/').to_owned())
            }
            _ => return Err(Error::value("use_local_url must be true, false or a URL")),
        },
    };
    Ok((expires_in.unwrap_or(EXPIRES_IN), base))
}

/// What `stage` of a listing means.
pub(crate) fn stage_filter(stage: Option<FlagOrText>) -> StageFilter {
    match stage {
        Some(FlagOrText::Flag(true)) => StageFilter::Staged,
        Some(FlagOrText::Text(text)) => match text.as_str() {
            "all" => StageFilter::All,
            "true" | "True" | "stage" => StageFilter::Staged,
            _ => StageFilter::Committed,
        },
        _ => StageFilter::Committed,
    }
}

/// Keywords.
pub(crate) fn keywords(keywords: Option<Texts>) -> Vec<String> {
    let all = match keywords {
        None => Vec::new(),
        Some(Texts::One(text)) => text.split(',').map(|word| word.trim().to_owned()).collect(),
        Some(Texts::Many(texts)) => texts,
    };
    all.into_iter().filter(|word| !word.is_empty()).collect()
}

/// A map, such as a manifest, as JSON; null is none. What JSON has no numbers for is written as text.
pub(crate) fn object(name: &str, value: Option<Value>) -> Result<Option<Object>> {
    match value {
        None | Some(Value::Nil) => Ok(None),
        Some(value @ (Value::Map(_) | Value::PydanticModel { .. })) => {
            match json_of(name, &value, MAX_DEPTH)? {
                Json::Object(object) => Ok(Some(object)),
                _ => Err(Error::value(format!("{name} must be a map"))),
            }
        }
        Some(Value::Str(text)) => {
            // As some clients send it in a query.
            let object =
                serde_json::from_str(&text).map_err(|_| Error::value(format!("{name} must be a map")))?;
            Ok(Some(object))
        }
        Some(_) => Err(Error::value(format!("{name} must be a map"))),
    }
}

/// A value as JSON.
pub(crate) fn json_of(name: &str, value: &Value, depth: usize) -> Result<Json> {
    let depth = depth
        .checked_sub(1)
        .ok_or_else(|| Error::value(format!("{name} is nested more than {MAX_DEPTH} deep")))?;
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::UInt(value) => Json::from(*value),
        Value::Float(value) if value.is_nan() => "NaN".into(),
        Value::Float(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Value::Float(value) => json!(value),
        Value::Str(text) if text.contains('\0') => {
            return Err(Error::value(format!("{name} has a text with a zero character")));
        }
        Value::Str(text) => Json::from(text.as_str()),
        Value::List(items) | Value::Set(items) => {
            let items: Result<Vec<Json>> = items.iter().map(|item| json_of(name, item, depth)).collect();
            Json::Array(items?)
        }
        Value::Map(entries) => {
            let entries: Result<Object> = entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), json_of(name, value, depth)?)))
                .collect();
            Json::Object(entries?)
        }
        Value::PydanticModel { fields, .. } => json_of(name, fields, depth)?,
        _ => {
            return Err(Error::value(format!(
                "{name} has a value that JSON cannot express (bytes, functions, arrays); put it into a file"
            )));
        }
    })
}

/// Parts of an upload.
pub(crate) fn parts(parts: Vec<PartArg>) -> Vec<PartRef> {
    parts
        .into_iter()
        .map(|part| PartRef {
            number: part.part_number,
            etag: part.etag,
        })
        .collect()
}

/// The content of a file as it was sent in `format`.
pub(crate) fn content(value: &Value, format: &str, encoding: &str) -> Result<Bytes> {
    let wrong = |expected: &str| Error::value(format!("content must be {expected} for format '{format}'"));
    Ok(match format {
        "text" => {
            check_encoding(encoding)?;
            Bytes::from(value.as_str().ok_or_else(|| wrong("a text"))?.to_owned())
        }
        "binary" => value.as_bytes().ok_or_else(|| wrong("bytes"))?.clone(),
        "base64" => {
            let text = value.as_str().ok_or_else(|| wrong("a text in base64"))?;
            let bytes = BASE64_STANDARD
                .decode(text.trim())
                .map_err(|_| wrong("a text in base64"))?;
            bytes.into()
        }
        "json" => match value {
            Value::Str(text) => Bytes::from(text.clone()),
            value => {
                let json = json_of("content", value, MAX_DEPTH)?;
                let text = serde_json::to_string_pretty(&json).map_err(|_| wrong("what JSON can express"))?;
                text.into()
            }
        },
        _ => return Err(unknown_format()),
    })
}

/// The content of a file in the `format` that was asked for.
pub(crate) fn shown(bytes: Bytes, format: &str, encoding: &str) -> Result<Value> {
    let text = |bytes: &Bytes| {
        check_encoding(encoding)?;
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned)
            .map_err(|_| Error::value("The file is not UTF-8 text; read it with format='binary'"))
    };
    Ok(match format {
        "text" => Value::Str(text(&bytes)?),
        "binary" => Value::Bytes(bytes),
        "base64" => Value::Str(BASE64_STANDARD.encode(&bytes)),
        "json" => {
            let json: Json =
                serde_json::from_slice(&bytes).map_err(|_| Error::value("The file is not JSON"))?;
            from_json(json)
        }
        _ => return Err(unknown_format()),
    })
}

fn check_encoding(encoding: &str) -> Result<()> {
    match encoding.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "ascii" => Ok(()),
        _ => Err(Error::Unsupported(
            "Only the encoding utf-8 is supported; use format='binary' for others".into(),
        )),
    }
}

fn unknown_format() -> Error {
    Error::value("format must be text, binary, base64 or json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_has_not() {
        let map = Value::from_iter([
            ("a", Value::Float(f64::NAN)),
            ("b", Value::Float(f64::NEG_INFINITY)),
        ]);
        let object = object("manifest", Some(map)).unwrap().unwrap();
        assert_eq!(Json::Object(object), json!({"a": "NaN", "b": "-Infinity"}));
    }

    #[test]
    fn depth_and_kinds_are_bounded() {
        let deep = (0..100).fold(Value::Nil, |inner, _| Value::List(vec![inner]));
        assert!(object("manifest", Some(Value::from_iter([("a", deep)]))).is_err());
        assert!(
            object(
                "manifest",
                Some(Value::from_iter([("a", Value::Bytes(Bytes::new()))]))
            )
            .is_err()
        );
        assert!(object("manifest", Some(Value::Int(1))).is_err());
        assert_eq!(object("manifest", Some(Value::Nil)).unwrap(), None);
    }

    #[test]
    fn bases_of_urls() {
        let base = |value| url_options(None, value).map(|(_, base)| base);
        let text = |text: &str| Some(FlagOrText::Text(text.into()));
        assert_eq!(base(None).unwrap(), Base::Public);
        assert_eq!(base(text("false")).unwrap(), Base::Public);
        assert_eq!(base(Some(FlagOrText::Flag(true))).unwrap(), Base::Local);
        assert_eq!(
            base(text("http://hub:80/")).unwrap(),
            Base::Other("http://hub:80".into())
        );
        assert!(base(text("javascript:x")).is_err());
    }

    #[test]
    fn contents() {
        let json = Value::from_iter([("a", Value::Int(1))]);
        assert_eq!(content(&json, "json", "utf-8").unwrap(), "{\n  \"a\": 1\n}");
        assert_eq!(content(&"aGk=".into(), "base64", "utf-8").unwrap(), "hi");
        assert!(content(&Value::Int(1), "text", "utf-8").is_err());
        assert!(shown(Bytes::from_static(&[0xff]), "text", "utf-8").is_err());
    }
}
