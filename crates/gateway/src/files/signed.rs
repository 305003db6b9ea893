//! `/s3/{bucket}/{key}`: objects for whoever has a signed URL. Nothing else counts: no token, no cookie.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::{HeaderValue, Method, Response, StatusCode, header};
use hypha_storage::{Access, Error, Grant, Key, PutOptions, SizeRule, Storage};

use super::receive;
use super::serve;
use super::xml::S3Error;
use crate::routes::Shared;

/// Answers a request for an object.
pub(super) async fn answer(
    State(shared): State<Shared>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response<Body> {
    let method = request.method().clone();
    let answered = match path {
        Ok(Path((bucket, key))) => handle(&shared.storage, &bucket, &key, request).await,
        Err(_) => Err(S3Error::new(
            StatusCode::BAD_REQUEST,
            "InvalidURI",
            "The path is not UTF-8",
        )),
    };
    answered.unwrap_or_else(|error| error.into_response(&method))
}

async fn handle(
    storage: &Storage,
    bucket: &str,
    key: &str,
    request: Request,
) -> Result<Response<Body>, S3Error> {
    let method = request.method();
    if ![Method::GET, Method::HEAD, Method::PUT].contains(method) {
        let text = "Files are read and written with GET, HEAD and PUT";
        return Err(S3Error::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            text,
        ));
    }
    let key = Key::parse(key).map_err(Error::from)?;
    let query = request.uri().query().unwrap_or_default();
    let Grant { key, access } = storage.verify(method.as_str(), bucket, &key, query)?;
    match access {
        Access::Get => {
            let object = storage.get(&key).await?;
            let response = serve::object(&object, key.name(), method, request.headers());
            Ok(response.await?)
        }
        Access::Put(options) => put(storage, &key, options, request).await,
        Access::Part { upload, number, size } => {
            // Refused before the body is asked for, so that nobody sends it in vain.
            drop(storage.admit(&key).await?);
            let size = with_announced(size, &request)?;
            let body = receive::stream(request.into_body());
            let etag = storage.put_part(&key, &upload, number, body, size).await?;
            Ok(stored(&etag))
        }
    }
}

async fn put(
    storage: &Storage,
    key: &Key,
    options: PutOptions,
    request: Request,
) -> Result<Response<Body>, S3Error> {
    drop(storage.admit(key).await?);
    let options = PutOptions {
        size: with_announced(options.size, &request)?,
        content_type: options
            .content_type
            .or_else(|| receive::content_type(request.headers())),
        ..options
    };
    let staged = storage
        .stage(key, receive::stream(request.into_body()), options)
        .await?;
    // Held until the object is visible.
    let _permit = storage.admit(key).await?;
    let meta = staged.publish().await?;
    Ok(stored(&meta.etag))
}

/// What may come, given what was signed and what the request announces.
fn with_announced(signed: SizeRule, request: &Request) -> Result<SizeRule, Error> {
    let Some(found) = receive::announced(request.headers()) else {
        return Ok(signed);
    };
    match signed {
        SizeRule::Exactly(expected) if found != expected => Err(Error::Length { expected, found }),
        SizeRule::AtMost(limit) if found > limit => Err(Error::TooLarge { limit }),
        _ => Ok(SizeRule::Exactly(found)),
    }
}

fn stored(etag: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}
