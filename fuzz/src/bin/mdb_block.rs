//! Commands of a controller: what is read is written and read the same, and a device fed with it stays one reset from
//! its senses.
#![cfg_attr(fuzzing, no_main)]

use gettone_fuzz::{Tape, target};
use gettone_mdb::trace::Burst;
use gettone_mdb::{Address, Command, Layout, Level, Options};

fn run(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let level = tape.one_of(&[Level::One, Level::Two, Level::Three]);
    let options = Options::from_u32(u32::from(tape.u16())).and(Options::ALL);
    let layout = Layout::new(level, options);
    let address = tape.one_of(&[Address::First, Address::Second]);
    let block = tape.rest();
    if let Ok(command) = Command::parse_in(address, block, layout) {
        assert!(!command.to_string().is_empty());
        let again = command.print_in(address, layout);
        assert!(again.len() < gettone_mdb::bounds::BLOCK_MAX);
        // What is not spoken keeps its first two bytes only.
        if !matches!(command, Command::Unknown { .. }) {
            assert_eq!(Command::parse_in(address, &again, layout), Ok(command));
        }
    }
    // The same bytes as a line of a capture.
    if let Ok(line) = std::str::from_utf8(block)
        && let Ok(Some(burst)) = Burst::parse(line)
    {
        assert_eq!(Burst::parse(&burst.to_string()), Ok(Some(burst)));
    }
}

target!(run);
