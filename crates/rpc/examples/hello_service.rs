//! Offers a service until Ctrl-C.
//!
//! `cargo run -p hypha-rpc --example hello_service -- http://127.0.0.1:9527`

use hypha_rpc::{CallContext, RemoteFailure, RemoteFunction, connect, service};

struct Hello;

/// Greets people.
#[service(id = "hello", name = "Hello", visibility = "public")]
impl Hello {
    /// Greets somebody by name.
    pub async fn hello(&self, name: String, #[arg(default = "Hello")] greeting: String) -> String {
        format!("{greeting}, {name}!")
    }

    /// Tells callers who they are.
    pub async fn who_am_i(&self, context: &CallContext) -> String {
        context.from().to_owned()
    }

    /// Counts to `to`, telling `progress` about each number.
    pub async fn count(&self, to: u32, progress: Option<RemoteFunction>) -> Result<u32, RemoteFailure> {
        for number in 1..=to {
            if let Some(progress) = &progress {
                progress.call::<()>((number,)).await?;
            }
        }
        Ok(to)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:9527".to_owned());
    let client = connect(url).client_id("hello-rust").await?;
    let info = client.register_service(Hello).await?;
    println!("serving {}", info.id);
    tokio::select! {
        _ = tokio::signal::ctrl_c() => client.disconnect().await,
        reason = client.wait_closed() => println!("closed: {reason}"),
    }
    Ok(())
}
