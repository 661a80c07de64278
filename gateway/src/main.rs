//! The gateway's program; everything it does is in the library.

use std::process::ExitCode;

// The engine frees on one thread what it took on another: the system allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gettone_gateway::main_with(std::env::args_os())
}
