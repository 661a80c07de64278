//! A customer's phone, for a desk without radio: it signs in, shows its light to a reader's socket, meets the reader in
//! the folder that stands for the air, and carries what reader and server have to say to each other.
//!
//! `cargo run --release --example phone -- --address ann@example.org --air /tmp/air --light /tmp/light`

use clap::Parser;
use gettone_channel::{BoardState, LastResult, StatusReason};
use gettone_examples::{Errand, Key, Pace, Phone, Places, Server, StreetFault, Transcript};
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// A customer's phone, for trying a reader without radio, light or camera.
///
/// It asks for the code that the server sends to the address, connects as a phone does, and waits for one choice at the
/// machine. Credit comes from the operator's page.
#[derive(Parser, Debug)]
#[command(name = "phone", version)]
struct Arguments {
    /// Where the gateway is.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    server: String,
    /// The e-mail address or phone number to sign in with.
    #[arg(long, required_unless_present = "technician")]
    address: Option<String>,
    /// A technician's errand instead of a purchase: the file of their API key. The phone brings the
    /// reader what it is to have, takes its receipts along, and shows how it is.
    #[arg(
        long,
        value_name = "API_KEY_FILE",
        requires = "machine",
        conflicts_with = "address"
    )]
    technician: Option<PathBuf>,
    /// The technician's machine.
    #[arg(long)]
    machine: Option<u32>,
    /// The currency of the wallet that a new customer opens.
    #[arg(long, default_value = "EUR")]
    currency: String,
    /// The folder that stands for the air: the reader has `air = "folder:PATH"`.
    #[arg(long)]
    air: PathBuf,
    /// The reader's light sensor: the reader has `light = "socket:PATH"`.
    #[arg(long)]
    light: PathBuf,
}

fn main() -> ExitCode {
    match visit(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("phone: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn visit(arguments: &Arguments) -> Result<(), StreetFault> {
    let server = Server::at(&arguments.server);
    let transcript = Transcript::default();
    let places = Places {
        air: arguments.air.clone(),
        light: arguments.light.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| StreetFault::Unexpected("no runtime for the phone"))?;
    if let (Some(key), Some(machine)) = (&arguments.technician, arguments.machine) {
        return runtime.block_on(care(&server, key, machine, (&places, &transcript)));
    }
    let session = sign_in(&server, arguments)?;
    let phone = Phone::signed_in("phone", session, &server, &places, &transcript);
    tell_wallet(&phone.ask("/v1/app/me")?);
    runtime.block_on(async {
        let mut visit = phone.tap(seed()).await?;
        let status = visit
            .until("the server's answer", |status| {
                matches!(status.state, BoardState::Granted) || status.reason != StatusReason::None
            })
            .await?;
        if status.state == BoardState::Granted {
            println!("Choose at the machine now; there are 30 seconds.");
            let status = visit
                .until("a choice at the machine", |status| {
                    !matches!(status.last, LastResult::None)
                })
                .await?;
            println!("The reader says: {:?}", status.last);
            visit.leave().await?;
            visit
                .until("the end", |status| {
                    matches!(status.state, BoardState::Linked | BoardState::Idle)
                })
                .await?;
        }
        Ok::<_, StreetFault>(())
    })?;
    tell_wallet(&phone.ask("/v1/app/me")?);
    Ok(())
}

/// Goes to a machine as its technician.
async fn care(
    server: &Server,
    key: &Path,
    machine: u32,
    (places, transcript): (&Places, &Transcript),
) -> Result<(), StreetFault> {
    let secret = std::fs::read_to_string(key).map_err(|source| StreetFault::File {
        path: key.to_owned(),
        source,
    })?;
    let errand = Errand::to(server, secret.trim(), machine)?;
    let done = errand.run((places, Pace::Real), transcript, seed()).await?;
    println!(
        "The server has taken {} receipts by this phone.",
        done.receipts
    );
    match done.report {
        Some(report) => print!("How the reader is:\n{report}"),
        None => println!("The reader has not told how it is; its next visitor brings that."),
    }
    Ok(())
}

/// Signs in by the code that the server sends; gives the session's cookie.
fn sign_in(server: &Server, arguments: &Arguments) -> Result<String, StreetFault> {
    let address = arguments.address.as_deref().unwrap_or_default();
    server.post(Key::None, "/v1/app/codes", &json!({"address": address}))?;
    print!("The code that went to {address}: ");
    let mut code = String::new();
    let read = std::io::stdout().flush();
    read.and_then(|()| std::io::stdin().lock().read_line(&mut code))
        .map_err(|_| StreetFault::Unexpected("an end where a code should be"))?;
    let signed_in = server.post(
        Key::None,
        "/v1/app/sign-in",
        &json!({"address": address, "code": code.trim()}),
    )?;
    let session = signed_in["session"]
        .as_str()
        .ok_or(StreetFault::Unexpected("a sign-in without a cookie"))?;
    if signed_in["wallets"].as_array().is_some_and(Vec::is_empty) {
        let wallet = json!({"currency": arguments.currency});
        server.post(Key::Session(session), "/v1/app/wallets", &wallet)?;
    }
    Ok(session.to_owned())
}

fn tell_wallet(me: &Value) {
    for wallet in me["wallets"].as_array().into_iter().flatten() {
        println!(
            "Customer {} can spend {} {}.",
            me["customer"],
            wallet["available"].as_str().unwrap_or("?"),
            wallet["currency"].as_str().unwrap_or("?"),
        );
    }
}

/// Another screen, hand and light each time.
fn seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| since.subsec_nanos().into())
}
