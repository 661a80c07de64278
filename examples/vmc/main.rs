//! A vending machine's controller on a pseudo-terminal, a socket or a real 9-bit port: conformant, and broken on request.
//!
//! `cargo run --release --example vmc -- --link mdb` makes the pseudo-terminal `mdb`; a reader configured with
//! `link = "words:mdb"` meets it there. Lines typed on standard input are what people do at the machine.
//!
//! Start reading at `machine.rs`; `quirk.rs` lists what can be broken, `wire.rs` breaks it.

mod arguments;
mod audit;
mod fault;
mod line;
mod machine;
mod money;
mod quirk;
mod script;
mod step;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::io::BufRead;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use arguments::Arguments;
use clap::Parser;
use fault::VmcFault;
use gettone_mdb::link::Read;
use gettone_mdb::vmc::{Input, Operator};
use line::Line;
use machine::{Machine, Motors};
use money::Prices;
use script::Script;
use step::Step;
use words::Who;

/// The longest sleep before standard input is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Lines that may wait.
const LINES_MAX: usize = 64;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("vmc: {fault}");
            let mut source = std::error::Error::source(&fault);
            while let Some(because) = source {
                eprintln!("  because: {because}");
                source = because.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(wish: &Arguments) -> Result<(), VmcFault> {
    let prices = Prices::parse(&wish.prices, wish.money())?;
    let steps = match (&wish.script, &wish.script_file) {
        (Some(text), _) => Some(prices.script(text)?),
        (None, Some(path)) => Some(prices.script_file(path)?),
        (None, None) => None,
    };
    let hand = [Step::Dispense, Step::Jam];
    let motors = match steps.iter().flatten().any(|step| hand.contains(step)) {
        true => Motors::ByHand,
        false => Motors::Alone,
    };
    let mut machine = Machine::new(wish, motors)?;
    let mut script = steps.map(|steps| Script::new(steps, wish.step_s));
    let mut line = Line::open(&wish.link)?;
    let level = wish.config()?.level.number();
    machine.say(
        Who::Machine,
        format_args!("of level {level} is switched on"),
    );
    let typed = script.is_none().then(typed_lines);
    machine.drive(&mut line, Input::Operator(Operator::PowerUp))?;
    loop {
        line = line.meet()?;
        let lived = live(&mut machine, &mut line, script.as_mut(), typed.as_ref());
        line = match lived {
            Ok(()) => {
                machine.drive(&mut line, Input::Operator(Operator::PowerDown))?;
                machine.say(
                    Who::Machine,
                    format_args!("is switched off: {}", machine.tally()),
                );
                return Ok(());
            }
            Err(VmcFault::Link(fault)) => {
                machine.say(Who::Reader, format_args!("is gone: {fault}"));
                line.lost(fault)?
            }
            Err(fault) => return Err(fault),
        };
    }
}

/// Runs until everything is done.
fn live(
    machine: &mut Machine,
    line: &mut Line,
    mut script: Option<&mut Script>,
    typed: Option<&Receiver<String>>,
) -> Result<(), VmcFault> {
    loop {
        // A trap springs before the script makes something else of the state.
        machine.turn(line)?;
        if let Some(script) = script.as_deref_mut()
            && !script.go_on(machine, line)?
        {
            return Ok(());
        }
        if let Some(typed) = typed {
            match typed.try_recv() {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => match machine.prices.step(&text) {
                    Ok(Step::Quit) => return Ok(()),
                    Ok(step) => machine.operate(line, step)?,
                    Err(fault) => machine.say(Who::Machine, fault),
                },
                // Without a keyboard the machine goes on by itself.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
            }
        }
        match line.read(machine.wait(LOOK_EVERY))? {
            Read::Word(word) => machine.hear(line, word)?,
            Read::Break | Read::Nothing => machine.drive(line, Input::Tick)?,
        }
    }
}

/// What is typed, line by line.
fn typed_lines() -> Receiver<String> {
    let (typed, lines) = sync_channel(LINES_MAX);
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
