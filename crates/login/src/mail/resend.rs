//! Sending through the HTTP interface of Resend.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::json;
use url::Url;

use super::{Mail, Mailer};
use crate::error::Error;
use crate::http::HttpClient;
use crate::options::MailOptions;

/// Where messages are handed over.
const INTERFACE: &str = "https://api.resend.com/emails";

/// See the module documentation.
pub(crate) struct Resend {
    http: HttpClient,
    url: Url,
    options: MailOptions,
}

impl Resend {
    /// A sender with this key and address.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(options: MailOptions) -> Result<Self, Error> {
        let url = Url::parse(INTERFACE).map_err(|error| Error::Remote(error.to_string()))?;
        Ok(Self {
            http: HttpClient::new()?,
            url,
            options,
        })
    }
}

impl Mailer for Resend {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let message = json!({
                "from": self.options.from,
                "to": [mail.to],
                "subject": mail.subject,
                "text": mail.text,
            });
            self.http
                .post_json(&self.url, &self.options.api_key, &message)
                .await?;
            Ok(())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with `status`; what the request was.
    async fn interface(status: &'static str) -> (Url, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/emails", listener.local_addr().unwrap());
        let seen = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut part = [0; 4096];
                let count = socket.read(&mut part).await.unwrap();
                request.extend_from_slice(&part[..count]);
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        });
        (Url::parse(&url).unwrap(), seen)
    }

    async fn send(status: &'static str) -> (Result<(), Error>, String) {
        let (url, seen) = interface(status).await;
        let options = MailOptions {
            api_key: "re_key".into(),
            from: "Hypha <login@example.org>".into(),
        };
        let mut resend = Resend::new(options).unwrap();
        resend.url = url;
        let mail = Mail {
            to: "ada@example.org".into(),
            subject: "Your code".into(),
            text: "123456".into(),
        };
        (resend.send(&mail).await, seen.await.unwrap())
    }

    #[tokio::test]
    async fn a_message_is_handed_over() {
        let (result, request) = send("200 OK").await;
        result.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("authorization: Bearer re_key"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["to"][0], "ada@example.org");
        assert_eq!(body["text"], "123456");
    }

    #[tokio::test]
    async fn a_refusal_shows_no_key() {
        let (result, _) = send("422 Unprocessable").await;
        let text = result.unwrap_err().to_string();
        assert!(text.contains("status 422") && !text.contains("re_key"), "{text}");
    }
}
