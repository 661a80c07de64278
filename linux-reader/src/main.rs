//! The reader board's program; everything is in the library, so that others can run it inside.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gettone_reader::main_with(std::env::args_os())
}
