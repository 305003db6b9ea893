//! The arguments of a call, and how they meet a function's parameters.
//!
//! Every function accepts each of its parameters by position or by name, as a Python function does. The texts of the
//! errors are Python's too, because that is what most callers know.

use std::borrow::Cow;

use hypha_wire::Value;

use crate::error::RemoteFailure;

/// Positional and keyword arguments.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CallArgs {
    /// By position.
    pub positional: Vec<Value>,
    /// By name.
    pub kwargs: Vec<(String, Value)>,
}

/// One parameter of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamSpec {
    /// Its name.
    pub name: Cow<'static, str>,
    /// A call without it is an error.
    pub required: bool,
    /// Its value may be a map. When it may not, a trailing map of a call is read as keyword arguments.
    pub accepts_map: bool,
}

impl ParamSpec {
    /// A required parameter that takes no map.
    pub fn required(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            required: true,
            accepts_map: false,
        }
    }

    /// An optional parameter that takes no map.
    pub fn optional(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            required: false,
            accepts_map: false,
        }
    }

    /// The same parameter, which may also be a map.
    pub fn or_map(mut self) -> Self {
        self.accepts_map = true;
        self
    }
}

/// The arguments of a call in the order of the parameters, and the name of the function for errors.
#[derive(Debug)]
pub struct BoundArgs(Vec<Option<Value>>);

impl BoundArgs {
    /// Takes the argument of parameter `index`; `None` when it was not given.
    pub fn take(&mut self, index: usize) -> Option<Value> {
        self.0.get_mut(index).and_then(Option::take)
    }
}

impl CallArgs {
    /// Arguments given by position only.
    pub fn positional(values: Vec<Value>) -> Self {
        Self {
            positional: values,
            kwargs: Vec::new(),
        }
    }

    /// No arguments at all?
    pub fn is_empty(&self) -> bool {
        self.positional.is_empty() && self.kwargs.is_empty()
    }

    /// Assigns the arguments to parameters. `function` is named in errors.
    ///
    /// Callers that cannot mark keyword arguments (JavaScript) may give them as a plain last map: it is read so when
    /// it cannot be the value of the next positional parameter and each of its keys names a parameter that is not
    /// given by position.
    ///
    /// # Errors
    /// `TypeError` for an argument that is missing, unknown, given twice or one too many.
    pub fn bind(mut self, function: &str, params: &[ParamSpec]) -> Result<BoundArgs, RemoteFailure> {
        self.unpack_trailing_map(params);
        if self.positional.len() > params.len() {
            return Err(RemoteFailure::type_error(format!(
                "{function}() takes {} positional argument{} but {} {} given",
                params.len(),
                if params.len() == 1 { "" } else { "s" },
                self.positional.len(),
                if self.positional.len() == 1 { "was" } else { "were" },
            )));
        }
        let mut bound: Vec<Option<Value>> = self.positional.into_iter().map(Some).collect();
        bound.resize(params.len(), None);
        for (name, value) in self.kwargs {
            let Some(index) = params.iter().position(|param| param.name == name) else {
                // The context is the receiver's to give; callers that send one anyway have it overwritten.
                if name == "context" {
                    continue;
                }
                let text = format!("{function}() got an unexpected keyword argument '{name}'");
                return Err(RemoteFailure::type_error(text));
            };
            if bound[index].is_some() {
                let text = format!("{function}() got multiple values for argument '{name}'");
                return Err(RemoteFailure::type_error(text));
            }
            bound[index] = Some(value);
        }
        for (param, value) in params.iter().zip(&bound) {
            if param.required && value.is_none() {
                return Err(RemoteFailure::type_error(format!(
                    "Missing required argument: '{}'",
                    param.name
                )));
            }
        }
        Ok(BoundArgs(bound))
    }

    fn unpack_trailing_map(&mut self, params: &[ParamSpec]) {
        if !self.kwargs.is_empty() {
            return;
        }
        let Some(Value::Map(entries)) = self.positional.last() else {
            return;
        };
        let index = self.positional.len() - 1;
        if entries.is_empty() || params.get(index).is_some_and(|param| param.accepts_map) {
            return;
        }
        let rest = params.get(index..).unwrap_or_default();
        if !entries
            .iter()
            .all(|(key, _)| rest.iter().any(|param| param.name == *key))
        {
            return;
        }
        if let Some(Value::Map(entries)) = self.positional.pop() {
            self.kwargs = entries;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params() -> Vec<ParamSpec> {
        vec![
            ParamSpec::required("a"),
            ParamSpec::optional("b"),
            ParamSpec::optional("c").or_map(),
        ]
    }

    fn bind(positional: Vec<Value>, kwargs: Vec<(&str, Value)>) -> Result<Vec<Option<Value>>, String> {
        let kwargs = kwargs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let args = CallArgs { positional, kwargs };
        args.bind("f", &params())
            .map(|bound| bound.0)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn by_position_and_by_name() {
        let expected = Ok(vec![Some(Value::Int(1)), None, Some(Value::Int(3))]);
        assert_eq!(bind(vec![1.into()], vec![("c", 3.into())]), expected);
        assert_eq!(bind(vec![], vec![("c", 3.into()), ("a", 1.into())]), expected);
    }

    #[test]
    fn errors_name_the_argument() {
        assert_eq!(
            bind(vec![], vec![]),
            Err("TypeError: Missing required argument: 'a'".into())
        );
        let four: Vec<Value> = (0..4).map(Value::from).collect();
        let text = "TypeError: f() takes 3 positional arguments but 4 were given";
        assert_eq!(bind(four, vec![]), Err(text.into()));
        let text = "TypeError: f() got an unexpected keyword argument 'x'";
        assert_eq!(bind(vec![1.into()], vec![("x", 1.into())]), Err(text.into()));
        let text = "TypeError: f() got multiple values for argument 'a'";
        assert_eq!(bind(vec![1.into()], vec![("a", 1.into())]), Err(text.into()));
    }

    #[test]
    fn a_trailing_map_is_read_as_keywords_only_when_it_must_be() {
        let map = |key: &str| Value::from_iter([(key, 2)]);
        assert_eq!(
            bind(vec![1.into(), map("b")], vec![]),
            Ok(vec![Some(1.into()), Some(2.into()), None]),
            "parameter b takes no map"
        );
        assert_eq!(
            bind(vec![1.into(), 2.into(), map("b")], vec![]),
            Ok(vec![Some(1.into()), Some(2.into()), Some(map("b"))]),
            "parameter c takes a map"
        );
        assert_eq!(
            bind(vec![1.into(), map("zz")], vec![]),
            Ok(vec![Some(1.into()), Some(map("zz")), None]),
            "not all keys are parameters"
        );
        assert_eq!(
            bind(vec![1.into(), map("a")], vec![]),
            Ok(vec![Some(1.into()), Some(map("a")), None])
        );
    }
}
