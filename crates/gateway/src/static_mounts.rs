//! Folders of the operator, served as they are below one top-level name each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode_str;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use crate::error::Failure;
use crate::options::StaticMount;
use crate::redirect;
use crate::routes::Shared;

/// The routes of all mounts.
pub(crate) fn routes(mounts: &[StaticMount]) -> Router<Shared> {
    mounts.iter().fold(Router::new(), |router, mount| {
        let name = format!("/{}", mount.name);
        let mount = Arc::new(mount.clone());
        let handler =
            get(move |State(shared): State<Shared>, request: Request| answer(shared, mount.clone(), request));
        router
            .route(&name, handler.clone())
            .route(&format!("{name}/"), handler.clone())
            .route(&format!("{name}/{{*path}}"), handler)
    })
}

async fn answer(shared: Shared, mount: Arc<StaticMount>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    // The name has no characters that could be encoded: the route has matched it as it is.
    let inner = path[mount.name.len() + 1..].trim_start_matches('/');
    match find(&mount.folder, inner).await {
        Some(Found::File(file)) => match ServeFile::new(file).oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        },
        Some(Found::Folder(index)) if path.ends_with('/') => {
            match ServeFile::new(index).oneshot(request).await {
                Ok(response) => response.map(Body::new),
                Err(never) => match never {},
            }
        }
        Some(Found::Folder(_)) => {
            // Links of the page are relative to the folder.
            let path = format!("{path}/");
            redirect::within(&shared.base_path, request.headers(), &path, request.uri().query())
        }
        None => Failure::not_found(format!("File not found: {path}")).into_response(),
    }
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    File(PathBuf),
    /// A folder, by its `index.html`.
    Folder(PathBuf),
}

/// What a path (relative, encoded) names in a folder; nothing that a `..` or a link leads out of it to.
async fn find(folder: &Path, path: &str) -> Option<Found> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let is_plain = |part: &str| part != ".." && part != "." && !part.contains(['\\', '\0']);
    if !decoded.split('/').all(is_plain) || Path::new(&*decoded).is_absolute() {
        return None;
    }
    let root = tokio::fs::canonicalize(folder).await.ok()?;
    let inside = async |path: PathBuf| {
        let real = tokio::fs::canonicalize(path).await.ok()?;
        real.starts_with(&root).then_some(real)
    };
    let found = inside(root.join(&*decoded)).await?;
    let kind = tokio::fs::metadata(&found).await.ok()?;
    if kind.is_dir() {
        let index = inside(found.join("index.html")).await?;
        let kind = tokio::fs::metadata(&index).await.ok()?;
        return kind.is_file().then_some(Found::Folder(index));
    }
    // Neither devices nor pipes.
    (kind.is_file() && !decoded.ends_with('/')).then_some(Found::File(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_outside_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let outer = outer.path().canonicalize().unwrap();
        let root = outer.join("root");
        std::fs::create_dir_all(root.join("sub dir")).unwrap();
        std::fs::create_dir_all(root.join("empty")).unwrap();
        for file in ["secret", "root/a.txt", "root/sub dir/index.html"] {
            std::fs::write(outer.join(file), file).unwrap();
        }
        std::os::unix::fs::symlink(outer.join("secret"), root.join("leak")).unwrap();
        std::os::unix::fs::symlink(&outer, root.join("up")).unwrap();
        std::os::unix::fs::symlink(root.join("a.txt"), root.join("link.txt")).unwrap();

        let file = |name: &str| Some(Found::File(root.join(name)));
        let index = Some(Found::Folder(root.join("sub dir/index.html")));
        assert_eq!(find(&root, "a.txt").await, file("a.txt"));
        assert_eq!(find(&root, "%61.txt").await, file("a.txt"));
        assert_eq!(find(&root, "link.txt").await, file("a.txt"));
        assert_eq!(find(&root, "sub%20dir").await, index);
        assert_eq!(find(&root, "sub%20dir/").await, index);
        for bad in [
            "../secret",
            "%2e%2e/secret",
            "sub%20dir/../../secret",
            "..%2fsecret",
            "..%5csecret",
            "/etc/passwd",
            "%2fetc/passwd",
            "leak",
            "up/secret",
            "a.txt/",
            "a.txt%00",
            "%ff",
            "empty",
            "none",
            "",
        ] {
            assert_eq!(find(&root, bad).await, None, "{bad}");
        }
    }
}
