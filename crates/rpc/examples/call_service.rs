//! Two clients in one workspace: one offers a service, the other calls it by position, by name, with a callback that
//! reports progress, and with a generator.
//!
//! `cargo run -p hypha-rpc --example call_service -- http://127.0.0.1:9527`

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use hypha_rpc::{
    Callback, GeneratorOf, RemoteFailure, RemoteFunction, RemoteGenerator, args, connect, service,
};

struct Trainer;

#[service(id = "trainer", name = "Trainer")]
impl Trainer {
    /// Pretends to train a model.
    pub async fn train(
        &self,
        epochs: u32,
        #[arg(default = 0.1)] rate: f64,
        progress: RemoteFunction,
    ) -> Result<f64, RemoteFailure> {
        let mut loss = 1.0;
        for epoch in 1..=epochs {
            tokio::time::sleep(Duration::from_millis(50)).await;
            loss *= 1.0 - rate;
            progress.call::<()>((epoch, loss)).await?;
        }
        Ok(loss)
    }

    /// The squares of the first numbers, one at a time.
    pub async fn squares(&self, count: u64) -> GeneratorOf<u64> {
        GeneratorOf::new(stream::iter(0..count).map(|number| number * number))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:9527".to_owned());
    let owner = connect(&url).await?;
    owner.register_service(Trainer).await?;
    let token = owner.manager().generate_token(&Default::default()).await?;

    let caller = connect(&url).workspace(owner.workspace()).token(token).await?;
    let trainer = caller.get_service("trainer").await?;
    println!("{} has {:?}", trainer.id(), trainer.functions());

    let progress = Callback::from_fn(|(epoch, loss): (u32, f64)| println!("epoch {epoch}: loss {loss:.3}"));
    let loss: f64 = trainer
        .call("train", args![3, rate = 0.5, progress = progress])
        .await?;
    println!("trained to a loss of {loss}");

    let squares: RemoteGenerator = trainer.call("squares", (5,)).await?;
    let squares: Vec<u64> = squares.typed::<u64>().try_collect().await?;
    println!("squares: {squares:?}");

    caller.disconnect().await;
    owner.disconnect().await;
    Ok(())
}
