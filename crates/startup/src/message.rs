//! What is said on the pipe to the Python process: one JSON map a line.

use hypha_hub::auth::UserInfo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// From the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ToPython<'a> {
    /// Run this function.
    Run { module: &'a str, function: &'a str },
    /// A question for one of the functions that decide about tokens.
    Ask {
        id: u64,
        what: Function,
        #[serde(flatten)]
        arguments: Map<String, Value>,
    },
    /// The answer to a question.
    Reply {
        id: u64,
        value: Option<Value>,
        error: Option<String>,
    },
}

/// From the Python process.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum FromPython {
    /// The function that was to be run has ended well.
    Done,
    /// It has not.
    Failed { error: String, trace: Vec<String> },
    /// A question for the server.
    Ask {
        id: u64,
        #[serde(flatten)]
        question: Question,
    },
    /// The answer to a question.
    Reply {
        id: u64,
        #[serde(default)]
        value: Value,
        #[serde(default)]
        error: Option<String>,
    },
}

/// What the Python process asks the server.
#[derive(Debug, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum Question {
    /// From now on these functions answer for the server.
    Provide { functions: Vec<Function> },
    /// Whom a token of the server stands for.
    ParseToken { token: String },
    /// A token of the server.
    GenerateToken { user: Box<UserInfo>, expires_in: u64 },
    /// A client of the server's own in some workspace.
    Open {
        user: Box<UserInfo>,
        workspace: String,
        client_id: Option<String>,
    },
    /// That client is not needed any more.
    Close { workspace: String, client_id: String },
}

/// A function that decides about tokens.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    /// Whom a token stands for.
    #[serde(rename = "parse_token")]
    Parse,
    /// Makes a token.
    #[serde(rename = "generate_token")]
    Generate,
    /// Finds the token of an HTTP request.
    #[serde(rename = "get_token")]
    Find,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn questions() {
        let read = |value| serde_json::from_value::<FromPython>(value).unwrap();
        let FromPython::Ask {
            id: 3,
            question:
                Question::Open {
                    user,
                    client_id: None,
                    ..
                },
        } = read(json!({
            "type": "ask", "id": 3, "what": "open", "user": {"id": "x"}, "workspace": "w", "client_id": null,
        }))
        else {
            panic!("a question")
        };
        assert_eq!(user.id, "x");
        let FromPython::Ask {
            question: Question::Provide { functions },
            ..
        } = read(json!({"type": "ask", "id": 1, "what": "provide", "functions": ["get_token"]}))
        else {
            panic!("a question")
        };
        assert_eq!(functions, [Function::Find]);
    }
}
