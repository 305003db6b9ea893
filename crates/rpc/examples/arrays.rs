//! Sends numpy arrays and a large payload to a service and back. A large message travels in chunks.
//!
//! `cargo run -p hypha-rpc --example arrays -- http://127.0.0.1:9527`

use std::time::Instant;

use bytes::Bytes;
use hypha_rpc::{DynService, NdArray, RemoteFailure, connect};

/// An array of 32-bit floats.
fn float32(shape: &[u64], values: &[f32]) -> NdArray {
    let data = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect::<Vec<u8>>();
    NdArray {
        dtype: "float32".to_owned(),
        shape: shape.to_vec(),
        data: Bytes::from(data),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "http://127.0.0.1:9527".to_owned());
    let client = connect(url).await?;
    let service = DynService::new("arrays")
        .function("transpose_shape", |_ctx, (array,): (NdArray,)| async move {
            if array.dtype != "float32" {
                return Err(RemoteFailure::value(format!(
                    "expected float32, got {}",
                    array.dtype
                )));
            }
            Ok(array.shape.into_iter().rev().collect::<Vec<u64>>())
        })
        .function("echo", |_ctx, (data,): (Bytes,)| async move { Ok(data) });
    client.register_service(service).await?;

    let arrays = client.get_service("arrays").await?;
    let shape: Vec<u64> = arrays
        .call("transpose_shape", (float32(&[2, 3], &[0.0; 6]),))
        .await?;
    println!("transposed shape: {shape:?}");

    let data = Bytes::from(vec![42; 20 << 20]);
    let start = Instant::now();
    let back: Bytes = arrays.call("echo", (&data,)).await?;
    println!(
        "20 MiB there and back in {:?}, equal: {}",
        start.elapsed(),
        back == data
    );
    client.disconnect().await;
    Ok(())
}
