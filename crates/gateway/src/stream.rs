//! `/rpc`: a client's connection over plain HTTP, for where WebSockets do not get through.
//!
//! What the hub has for the client goes out as the body of one long answer to a `GET`; each message of the client is a
//! `POST` of its own. A client id is known to everybody, so each `POST` has to show that it comes from whoever opened the
//! stream ([`hypha_hub::Subject`]).
//!
//! | module | subject |
//! |---|---|
//! | `open` | the `GET`: who is let in, and the answer's head |
//! | `writer` | the stream while it lasts: from the outbox to the body, signs of life |
//! | `framing` | frames on the stream |
//! | `send` | the `POST`: from whom it is, and the message |
//! | `call` | a `POST` of somebody who has no stream: one call |
//! | `table` | the streams that are open |

mod call;
mod framing;
mod open;
mod send;
mod table;
mod writer;

use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use hypha_hub::Refusal;
use hypha_hub::auth::handshake::RefusalKind;

use crate::error::Failure;
use crate::query::Query;
use crate::rate_limit::RateLimits;
use crate::routes::Shared;

/// The header in which an anonymous client gets the secret of its stream, and sends it with each message.
const SECRET_HEADER: &str = "hypha-stream-secret";
/// The cookie with the same, for clients that know nothing of the header.
const SECRET_COOKIE: &str = "hypha_stream";

/// The routes of the transport. Messages are counted per stream; `limits` is for those who have none.
pub(crate) fn routes(limits: &RateLimits) -> Router<Shared> {
    let endpoint = Endpoint {
        streams: table::Streams::default(),
        limits: limits.clone(),
    };
    Router::new()
        .route("/rpc", get(open::open).post(send::send))
        .layer(Extension(endpoint))
}

/// What the handlers share.
#[derive(Clone)]
struct Endpoint {
    streams: table::Streams,
    limits: RateLimits,
}

/// The query of both requests.
struct Asked {
    client_id: Option<String>,
    workspace: Option<String>,
    reconnection_token: Option<String>,
}

impl Asked {
    fn of(uri: &http::Uri) -> Self {
        let query = Query::parse(uri.query());
        let given = |name: &str| {
            let value = query.last(name).filter(|value| !value.is_empty());
            value.map(str::to_owned)
        };
        Self {
            client_id: given("client_id"),
            workspace: given("workspace"),
            reconnection_token: given("reconnection_token"),
        }
    }
}

/// The answer to a client that is refused.
fn refused(refusal: Refusal) -> Failure {
    let (status, code) = match refusal.kind {
        RefusalKind::Credential => (StatusCode::UNAUTHORIZED, "invalid_credential"),
        RefusalKind::Permission => (StatusCode::FORBIDDEN, "permission_denied"),
        RefusalKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        RefusalKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_argument"),
        RefusalKind::Taken => (StatusCode::CONFLICT, "already_exists"),
        RefusalKind::Limit => (StatusCode::TOO_MANY_REQUESTS, "limit_exceeded"),
        RefusalKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    Failure::new(status, code, refusal.text)
}
