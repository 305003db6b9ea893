//! What a server says when clients can connect.

use std::io::{Write, stdout};

use crate::config::mask;
use crate::config::settings::{Settings, Storage};
use crate::serve::Server;

/// What is known before the start.
pub(super) struct Ready {
    data: String,
    root: &'static str,
}

impl Ready {
    /// What to say about these settings.
    pub(super) fn new(settings: &Settings) -> Self {
        let data = match &settings.storage {
            Storage::Ephemeral => "in memory; nothing is kept".to_owned(),
            Storage::Folder(folder) => format!("in {}", folder.display()),
            Storage::Database(uri) => format!("in {}", mask::without_password(uri)),
        };
        let root = if settings.root_token.is_some() {
            "connect with the root token to administer"
        } else {
            "no root token; set HYPHA_ROOT_TOKEN (openssl rand -base64 48) to administer"
        };
        Self { data, root }
    }

    /// Says it, on standard output.
    pub(super) fn print(&self, server: &Server) {
        // A server whose output nobody reads serves all the same.
        let mut out = stdout().lock();
        let _ = out.write_all(self.text(server.url(), server.public_url()).as_bytes());
        let _ = out.flush();
    }

    fn text(&self, url: &str, public_url: &str) -> String {
        let public = if public_url == url {
            String::new()
        } else {
            format!("  public URL  {public_url}\n")
        };
        let (version, data, root) = (env!("CARGO_PKG_VERSION"), &self.data, self.root);
        format!(
            "Hypha {version} is ready at {url}\n\
             {public}\
             \x20 data        {data}\n\
             \x20 root        {root}\n\
             \n\
             \x20 Python      from hypha_rpc import connect_to_server\n\
             \x20             server = await connect_to_server({{\"server_url\": \"{public_url}\"}})\n\
             \x20 JavaScript  import {{ hyphaWebsocketClient }} from \"hypha-rpc\";\n\
             \x20             const server = await hyphaWebsocketClient.connectToServer({{ server_url: \"{public_url}\" }});\n\
             \x20 shell       hypha services --server-url {public_url}\n\
             \n\
             Ctrl-C stops it.\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_and_how() {
        let text =
            Ready::new(&Settings::ephemeral()).text("http://127.0.0.1:9527", "https://hub.example.org");
        assert!(text.starts_with(&format!(
            "Hypha {} is ready at http://127.0.0.1:9527\n",
            env!("CARGO_PKG_VERSION")
        )));
        assert!(text.contains("  public URL  https://hub.example.org\n"), "{text}");
        assert!(
            text.contains("nothing is kept") && text.contains("no root token"),
            "{text}"
        );
        assert!(
            text.contains("connect_to_server({\"server_url\": \"https://hub.example.org\"})"),
            "{text}"
        );
    }
}
