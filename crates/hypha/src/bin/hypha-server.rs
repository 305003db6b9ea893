//! The command `hypha-server`: the same server, with the original's command line.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hypha_cli::hypha_server(std::env::args_os().collect())
}
