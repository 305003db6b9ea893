//! Puts pages into the binary, and the JavaScript client when `web/setup` has fetched it.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folder of what the pages and the JavaScript client are made of.
const WEB: &str = "../../web";
/// Names below `/assets/`, where each file is in `web`, and its media type.
const FILES: [(&str, &str, &str); 9] = [
    ("hypha-rpc-websocket.js", "assets", "application/javascript"),
    ("hypha-rpc-websocket.min.js", "assets", "application/javascript"),
    ("hypha-rpc-websocket.mjs", "assets", "application/javascript"),
    ("hypha-rpc-websocket.min.mjs", "assets", "application/javascript"),
    ("landing.html", "pages", "text/html"),
    ("landing.js", "pages", "application/javascript"),
    ("workspace.html", "pages", "text/html"),
    ("workspace.js", "pages", "application/javascript"),
    ("hypha.css", "pages", "text/css"),
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join(WEB);
    // A folder that is not there yet counts as changed each time, until it is.
    for folder in ["pages", "assets"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
    }
    let mut code = String::from("[\n");
    for (name, folder, media_type) in FILES {
        let path = root.join(folder).join(name);
        let (content, tag) = match fs::read(&path) {
            Ok(content) => (
                format!("Some(include_bytes!({:?}))", absolute(&path)?),
                tag(&content),
            ),
            Err(_) => ("None".to_owned(), String::new()),
        };
        writeln!(
            code,
            "    Asset {{ name: {name:?}, media_type: \"{media_type}; charset=utf-8\", tag: {tag:?}, content: {content} }},"
        )
        .map_err(io::Error::other)?;
    }
    code.push(']');
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("assets.rs"), code)
}

fn absolute(path: &Path) -> io::Result<String> {
    Ok(path.canonicalize()?.display().to_string())
}

/// An entity tag that changes with the content. Weak: the same content may be sent compressed.
fn tag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}
