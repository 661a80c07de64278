//! Everything that goes wrong on a street ends in balanced books: each row of the protocol's table
//! of faults, played on the real gateway and the real reader.
//!
//! What takes longer is left out unless `GETTONE_FAULTS=all`.

use gettone_examples::{Hazard, HazardPace, Transcript};
use libtest_mimic::{Arguments, Failed, Trial};
use std::env;
use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    gettone_examples::part().unwrap_or_else(test)
}

fn test() -> ExitCode {
    let arguments = Arguments::from_args();
    let has_time = env::var("GETTONE_FAULTS").is_ok_and(|value| value == "all");
    let hazards = Hazard::all().filter(|hazard| has_time || hazard.pace == HazardPace::Quick);
    let trials = hazards.map(|hazard| {
        let name = format!("{}_ends_in_balanced_books", hazard.name.replace('-', "_"));
        Trial::test(name, || ends_balanced(hazard))
    });
    let table = Trial::test("every_row_of_the_protocol_is_played_and_no_other", rows);
    let trials = trials.chain([table]);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn rows() -> Result<(), Failed> {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let document = fs::read_to_string(document)?;
    let table = document
        .split_once("| Fault | What happens | Who bears it | Played as |")
        .and_then(|(_, rest)| rest.split_once("\n\n"))
        .ok_or("the specification has no table of faults")?
        .0;
    let rows = table.lines().skip(2).map(|row| {
        let cell = row.trim_end_matches(" |").rsplit('|').next();
        cell.unwrap_or_default().trim().trim_matches('`').to_owned()
    });
    let (mut rows, mut names): (Vec<String>, Vec<String>) = (
        rows.collect(),
        Hazard::all().map(|hazard| hazard.name.to_owned()).collect(),
    );
    rows.sort_unstable();
    names.sort_unstable();
    if rows == names {
        return Ok(());
    }
    let odd = rows.iter().filter(|row| !names.contains(row));
    let odd = odd.chain(names.iter().filter(|name| !rows.contains(name)));
    Err(format!(
        "not both in the table and in the list: {:?}",
        odd.collect::<Vec<_>>()
    )
    .into())
}

fn ends_balanced(hazard: &Hazard) -> Result<(), Failed> {
    // Whoever runs one of them alone may read along.
    let transcript = match env::var_os("GETTONE_TRANSCRIPT") {
        Some(_) => Transcript::default(),
        None => Transcript::quiet(),
    };
    if hazard.play(&transcript)? {
        Ok(())
    } else {
        Err("the books are not balanced".into())
    }
}
