//! The hand-written edge of the bench `unary`, with another allocator.

#[path = "../benches/unary/naive.rs"]
mod naive;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs nothing of it.
    if let Some(upstream) = std::env::args().nth(1) {
        naive::serve(&upstream).await;
    }
}
