//! What a look at one thing gives.

use serde_json::{Value as Json, json};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It works.
    Ok,
    /// It is not there, which is fine unless somebody needs it.
    Missing,
    /// It does not work as it should.
    Problem,
}

impl State {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Problem => "problem",
        }
    }
}

/// What the user mainly wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// Use a server.
    Connect,
    /// Be one.
    Serve,
}

impl Job {
    /// The words for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connecting to the server",
            Self::Serve => "hypha serve",
        }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// What was looked at, in a word or two.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) state: State,
    /// What was seen.
    pub(super) text: String,
    /// What to install or do next.
    pub(super) advice: Option<String>,
    /// The job that does not work because of it.
    pub(super) stops: Option<Job>,
}

impl Finding {
    /// Something works.
    pub(super) fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Ok,
            text: text.into(),
            advice: None,
            stops: None,
        }
    }

    /// Something is not there; `advice` says how to get it, or what it would be for.
    pub(super) fn missing(name: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            state: State::Missing,
            advice: Some(advice.into()),
            ..Self::ok(name, text)
        }
    }

    /// Something does not work; `advice` says what to do.
    pub(super) fn problem(name: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            state: State::Problem,
            advice: Some(advice.into()),
            ..Self::ok(name, text)
        }
    }

    /// The same, and a job does not work because of it.
    pub(super) fn that_stops(self, job: Job) -> Self {
        Self {
            stops: Some(job),
            ..self
        }
    }

    /// The finding for scripts; `job` is the main one.
    pub(super) fn json(&self, section: &str, job: Job) -> Json {
        json!({
            "section": section,
            "name": self.name,
            "state": self.state.name(),
            "text": self.text,
            "advice": self.advice,
            "stops_main_job": self.stops == Some(job),
        })
    }
}
