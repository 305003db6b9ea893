//! The query of a URL, read once with a real parser.

/// Name/value pairs of a query string, in order, decoded. A name without `=` has an empty value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string (without the question mark). Every string is one.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The last value of a name.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// How to choose among several services: the parameter `_mode`.
    pub(crate) fn mode(&self) -> Option<&str> {
        self.last("_mode").filter(|mode| !mode.is_empty())
    }

    /// The distinct names in the order of their first appearance, each with all its values.
    pub(crate) fn grouped(&self) -> Vec<(&str, Vec<&str>)> {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, value) in &self.0 {
            match groups.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value),
                None => groups.push((name, vec![value])),
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_is_a_query() {
        let query = Query::parse(Some("flag&a=b=c&x=%C3%A9+1&x=2&_mode=first&==&"));
        assert_eq!(query.last("a"), Some("b=c"));
        assert_eq!(query.last("x"), Some("2"));
        assert_eq!(query.mode(), Some("first"));
        assert_eq!(query.grouped()[0], ("flag", vec![""]));
        assert_eq!(query.grouped()[2], ("x", vec!["é 1", "2"]));
        assert_eq!(Query::parse(None), Query::default());
    }
}
