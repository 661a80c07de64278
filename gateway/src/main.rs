//! The gateway's program; everything it does is in the library.

use std::process::ExitCode;

// The engine frees on one thread what it took on another: the system allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A huge page is kept whole for a few bytes: with ten thousand machines a third of all memory.
    // Where the system does not know the wish, nothing is lost but that.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    gettone_gateway::main_with(std::env::args_os())
}
