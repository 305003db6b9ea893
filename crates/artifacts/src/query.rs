//! Filters, keywords and order of a search, as conditions of SQL.

use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::model::Object;
use crate::sql::Sql;

/// Most conditions of one search.
const MAX_TERMS: usize = 200;
/// Deepest nesting of `$and` and `$or`.
const MAX_DEPTH: usize = 8;
/// Longest text in a filter or keyword, in bytes.
const MAX_TEXT: usize = 1024;

/// Puts conditions together, and counts them.
pub(crate) struct Filters<'a> {
    sql: &'a mut Sql,
    terms: usize,
}

impl<'a> Filters<'a> {
    pub(crate) fn new(sql: &'a mut Sql) -> Self {
        Self { sql, terms: 0 }
    }

    fn count(&mut self) -> Result<()> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(Error::value(format!(
                "A search has at most {MAX_TERMS} conditions"
            )));
        }
        Ok(())
    }

    /// One condition per keyword: it occurs somewhere in the manifest.
    pub(crate) fn keywords(&mut self, keywords: &[String]) -> Result<Vec<String>> {
        keywords
            .iter()
            .map(|keyword| {
                self.count()?;
                Ok(self.sql.contains("a.manifest", checked(keyword)?))
            })
            .collect()
    }

    /// One condition per key of the filters, except `version` and `parent_id`, which the caller has dealt with.
    pub(crate) fn filters(&mut self, filters: &Object) -> Result<Vec<String>> {
        let mut conditions = Vec::new();
        for (key, value) in filters {
            self.count()?;
            match key.as_str() {
                "version" | "parent_id" => {}
                "type" => conditions.push(self.equal("a.kind", key, value)?),
                "alias" | "workspace" | "created_by" => {
                    conditions.push(self.equal(&format!("a.{key}"), key, value)?)
                }
                "created_at" | "last_modified" | "download_count" | "view_count" => {
                    conditions.extend(self.range(&format!("a.{key}"), key, value)?);
                }
                "config" => conditions.extend(self.config(value)?),
                "manifest" => {
                    let manifest = value
                        .as_object()
                        .ok_or_else(|| Error::value("filters.manifest must be a map"))?;
                    conditions.extend(self.manifest(manifest, MAX_DEPTH)?);
                }
                _ => {
                    let shown: String = key.chars().take(64).collect();
                    return Err(Error::value(format!("Invalid filter key: {shown}")));
                }
            }
        }
        Ok(conditions)
    }

    fn equal(&mut self, column: &str, key: &str, value: &Json) -> Result<String> {
        let text = value
            .as_str()
            .ok_or_else(|| Error::value(format!("filters.{key} must be a text")))?;
        let place = self.sql.bind(checked(text)?);
        Ok(format!("{column} = {place}"))
    }

    /// A number is a lower bound; of a list of two, each may be null.
    fn range(&mut self, column: &str, key: &str, value: &Json) -> Result<Vec<String>> {
        let wrong = || {
            Error::value(format!(
                "filters.{key} must be a number or a list of two numbers or nulls"
            ))
        };
        let bounds = match value {
            Json::Array(bounds) => bounds.clone(),
            single => vec![single.clone(), Json::Null],
        };
        let [low, high] = <[Json; 2]>::try_from(bounds).map_err(|_| wrong())?;
        let mut conditions = Vec::new();
        for (bound, sign) in [(low, ">="), (high, "<=")] {
            if !bound.is_null() {
                let bound = bound.as_f64().ok_or_else(wrong)?;
                let place = self.sql.bind(bound);
                conditions.push(format!("{column} {sign} {place}"));
            }
        }
        Ok(conditions)
    }

    /// `{permissions: {principal: level}}`, exactly.
    fn config(&mut self, value: &Json) -> Result<Vec<String>> {
        let wrong = || Error::value("filters.config supports only {permissions: {user: level}}");
        let config = value.as_object().ok_or_else(wrong)?;
        let permissions = config
            .get("permissions")
            .filter(|_| config.len() == 1)
            .and_then(Json::as_object);
        let mut conditions = Vec::new();
        for (principal, level) in permissions.ok_or_else(wrong)? {
            self.count()?;
            let level = level.as_str().ok_or_else(wrong)?;
            let text = self
                .sql
                .json_text_at("a.config", &["permissions", checked(principal)?])?;
            let place = self.sql.bind(checked(level)?);
            conditions.push(format!("{text} = {place}"));
        }
        Ok(conditions)
    }

    fn manifest(&mut self, filters: &Object, depth: usize) -> Result<Vec<String>> {
        let mut conditions = Vec::new();
        for (key, value) in filters {
            self.count()?;
            match key.as_str() {
                "$and" | "$or" => {
                    let wrong = || {
                        Error::value(format!(
                            "filters.manifest.{key} must be a list of maps, at most {MAX_DEPTH} deep"
                        ))
                    };
                    let depth = depth.checked_sub(1).ok_or_else(wrong)?;
                    let mut parts = Vec::new();
                    for part in value.as_array().ok_or_else(wrong)? {
                        let part = self.manifest(part.as_object().ok_or_else(wrong)?, depth)?;
                        parts.push(all(&part));
                    }
                    conditions.push(if key == "$and" { all(&parts) } else { any(&parts) });
                }
                key => conditions.push(self.manifest_key(key, value)?),
            }
        }
        Ok(conditions)
    }

    fn manifest_key(&mut self, key: &str, value: &Json) -> Result<String> {
        let column = "a.manifest";
        match value {
            Json::String(pattern) if pattern.contains('*') => self.matches(key, pattern),
            Json::Array(items) => self.contains_all(key, items),
            Json::Object(operator) => {
                let wrong = || {
                    Error::value(format!(
                        "filters.manifest.{key}: expected one of $like, $in, $all"
                    ))
                };
                let [(name, value)] = operator.iter().collect::<Vec<_>>()[..] else {
                    return Err(wrong());
                };
                match (name.as_str(), value) {
                    ("$like", Json::String(pattern)) => self.matches(key, pattern),
                    ("$all", Json::Array(items)) => self.contains_all(key, items),
                    ("$in", Json::Array(items)) => {
                        self.terms += items.len();
                        self.count()?;
                        let items: Result<Vec<String>> =
                            items.iter().map(|item| self.scalar(key, item)).collect();
                        self.sql.json_any(column, key, &items?)
                    }
                    _ => Err(wrong()),
                }
            }
            scalar => {
                let scalar = self.scalar(key, scalar)?;
                let text = self.sql.json_text(column, key)?;
                let place = self.sql.bind(scalar);
                Ok(format!("{text} = {place}"))
            }
        }
    }

    fn matches(&mut self, key: &str, pattern: &str) -> Result<String> {
        let text = self.sql.json_text("a.manifest", key)?;
        Ok(self.sql.like(&text, checked(pattern)?))
    }

    fn contains_all(&mut self, key: &str, items: &[Json]) -> Result<String> {
        let mut conditions = Vec::new();
        for item in items {
            self.count()?;
            let item = self.scalar(key, item)?;
            conditions.push(self.sql.json_any("a.manifest", key, &[item])?);
        }
        Ok(all(&conditions))
    }

    /// A scalar in the text that the database gives for it.
    fn scalar(&self, key: &str, value: &Json) -> Result<String> {
        Ok(match value {
            Json::String(text) => checked(text)?.to_owned(),
            Json::Bool(value) => self.sql.bool_text(*value).to_owned(),
            Json::Number(number) => number.to_string(),
            _ => {
                return Err(Error::value(format!(
                    "filters.manifest.{key}: expected a text, number or boolean"
                )));
            }
        })
    }
}

fn checked(text: &str) -> Result<&str> {
    if text.len() > MAX_TEXT || text.contains('\0') {
        return Err(Error::value(format!(
            "Texts in filters and keywords have at most {MAX_TEXT} bytes, none of them 0"
        )));
    }
    Ok(text)
}

/// All conditions hold; so they do when there are none.
pub(crate) fn all(conditions: &[String]) -> String {
    join(conditions, " AND ", "1 = 1")
}

/// One of the conditions holds.
pub(crate) fn any(conditions: &[String]) -> String {
    join(conditions, " OR ", "1 = 0")
}

fn join(conditions: &[String], word: &str, none: &str) -> String {
    if conditions.is_empty() {
        return none.to_owned();
    }
    format!("({})", conditions.join(word))
}

/// What to order by: `field`, `field<` (the same) or `field>` (greatest first).
pub(crate) fn order(sql: &mut Sql, order_by: Option<&str>) -> Result<String> {
    let text = order_by.unwrap_or("id");
    let (field, direction) = match (text.strip_suffix('>'), text.strip_suffix('<')) {
        (Some(field), _) => (field, "DESC"),
        (_, Some(field)) => (field, "ASC"),
        _ => (text, "ASC"),
    };
    let legal = |key: &str| {
        !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    Ok(match field.split_once('.') {
        Some((column @ ("manifest" | "config"), key)) if legal(key) => {
            format!(
                "{}, a.id ASC",
                sql.json_order(&format!("a.{column}"), key, direction)?
            )
        }
        _ if matches!(
            field,
            "view_count" | "download_count" | "last_modified" | "created_at"
        ) =>
        {
            format!("a.{field} {direction}, a.id ASC")
        }
        _ => format!("a.id {direction}"),
    })
}
