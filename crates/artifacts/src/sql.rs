//! Conditions in SQL, put together piece by piece. Whatever comes from a caller is bound, never text.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, query};

use crate::database::Dialect;
use crate::error::{Error, Result};

/// A value that is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bind {
    Text(String),
    Int(i64),
    Float(f64),
}

impl From<&str> for Bind {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Bind {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Bind {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Bind {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// A statement under construction.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    pub(crate) dialect: Dialect,
    binds: Vec<Bind>,
}

impl Sql {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            binds: Vec::new(),
        }
    }

    /// Binds a value; the text that stands for it.
    pub(crate) fn bind(&mut self, value: impl Into<Bind>) -> String {
        self.binds.push(value.into());
        format!("${}", self.binds.len())
    }

    /// The statement with its values.
    pub(crate) fn query(&self, text: String) -> Query<'static, Any, AnyArguments> {
        let statement = query(AssertSqlSafe(text));
        self.binds
            .iter()
            .cloned()
            .fold(statement, |statement, bind| match bind {
                Bind::Text(text) => statement.bind(text),
                Bind::Int(value) => statement.bind(value),
                Bind::Float(value) => statement.bind(value),
            })
    }

    /// Where a key is in a column of JSON text: the path as it is bound. Dots lead deeper.
    fn path(&mut self, key: &str) -> Result<String> {
        let odd = |c: char| c == '"' || c == '\\' || c.is_control();
        if key.is_empty() || key.len() > 256 || key.chars().any(odd) || key.split('.').any(str::is_empty) {
            let shown: String = key.chars().take(64).filter(|c| !c.is_control()).collect();
            return Err(Error::value(format!("Invalid filter key: {shown}")));
        }
        let parts: Vec<&str> = key.split('.').collect();
        Ok(self.path_of(&parts))
    }

    fn path_of(&mut self, parts: &[&str]) -> String {
        let parts: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        match self.dialect {
            Dialect::Sqlite => self.bind(format!("$.{}", parts.join("."))),
            Dialect::Postgres => {
                let place = self.bind(format!("{{{}}}", parts.join(",")));
                format!("CAST({place} AS text[])")
            }
        }
    }

    /// The text of the value at a place of a JSON column, whose parts may have dots; null if there is none.
    pub(crate) fn json_text_at(&mut self, column: &str, parts: &[&str]) -> Result<String> {
        if parts
            .iter()
            .any(|part| part.contains(['"', '\\']) || part.chars().any(char::is_control))
        {
            return Err(Error::value(
                "Keys in filters have no quotes, backslashes or control characters",
            ));
        }
        let path = self.path_of(parts);
        Ok(self.text_at(column, &path))
    }

    /// The text of a boolean, as [`json_text`](Self::json_text) gives it.
    pub(crate) fn bool_text(&self, value: bool) -> &'static str {
        match (self.dialect, value) {
            (Dialect::Sqlite, true) => "1",
            (Dialect::Sqlite, false) => "0",
            (Dialect::Postgres, true) => "true",
            (Dialect::Postgres, false) => "false",
        }
    }

    fn text_at(&self, column: &str, path: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("CAST(json_extract({column}, {path}) AS TEXT)"),
            Dialect::Postgres => format!("(CAST({column} AS jsonb) #>> {path})"),
        }
    }

    /// The text of the value at `key` of a JSON column; null if there is none.
    pub(crate) fn json_text(&mut self, column: &str, key: &str) -> Result<String> {
        let path = self.path(key)?;
        Ok(self.text_at(column, &path))
    }

    /// A condition that holds if the value at `key`, or one of its elements if it is a list, is among `values`.
    pub(crate) fn json_any(&mut self, column: &str, key: &str, values: &[String]) -> Result<String> {
        if values.is_empty() {
            return Ok("1 = 0".to_owned());
        }
        let path = self.path(key)?;
        let places: Vec<String> = values.iter().map(|value| self.bind(value.as_str())).collect();
        let places = places.join(", ");
        Ok(match self.dialect {
            Dialect::Sqlite => format!(
                "EXISTS (SELECT 1 FROM json_each({column}, {path}) e WHERE CAST(e.value AS TEXT) IN ({places}))"
            ),
            Dialect::Postgres => {
                let value = format!("(CAST({column} AS jsonb) #> {path})");
                format!(
                    "EXISTS (SELECT 1 FROM jsonb_array_elements_text(CASE jsonb_typeof({value}) WHEN 'array' \
                     THEN {value} ELSE jsonb_build_array({value}) END) e (value) WHERE e.value IN ({places}))"
                )
            }
        })
    }

    /// What to order by for the value at `key`: numbers before text, missing ones last.
    pub(crate) fn json_order(&mut self, column: &str, key: &str, direction: &str) -> Result<String> {
        let path = self.path(key)?;
        Ok(match self.dialect {
            Dialect::Sqlite => format!("json_extract({column}, {path}) {direction} NULLS LAST"),
            Dialect::Postgres => {
                let value = format!("(CAST({column} AS jsonb) #> {path})");
                let text = format!("(CAST({column} AS jsonb) #>> {path})");
                format!(
                    "CASE jsonb_typeof({value}) WHEN 'number' THEN CAST({text} AS numeric) END {direction} NULLS LAST, \
                     {text} COLLATE \"C\" {direction} NULLS LAST"
                )
            }
        })
    }

    /// A condition that holds if a text matches a pattern, in any case. In the pattern, `*` and `%` stand for any text.
    pub(crate) fn like(&mut self, text: &str, pattern: &str) -> String {
        let escaped = pattern
            .replace('\\', "\\\\")
            .replace('_', "\\_")
            .replace('*', "%");
        let place = self.bind(escaped.to_lowercase());
        format!("lower({text}) LIKE {place} ESCAPE '\\'")
    }

    /// A condition that holds if a text contains another one, in any case.
    pub(crate) fn contains(&mut self, text: &str, part: &str) -> String {
        let escaped = part.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%");
        let place = self.bind(format!("%{}%", escaped.to_lowercase()));
        format!("lower({text}) LIKE {place} ESCAPE '\\'")
    }
}
