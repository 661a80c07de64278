//! The reader board's program; everything is in the library, so that others can run it inside.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A huge page is kept whole for a few bytes; a board has better use for 8 MB. Where the system
    // does not know the wish, nothing is lost but those.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    gettone_reader::main_with(std::env::args_os())
}
