//! The command `hypha`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hypha_cli::hypha(std::env::args_os().collect())
}
