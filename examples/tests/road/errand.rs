//! A technician before a machine without a road: the phone brings and takes along.

use super::{ESPRESSO, MACHINE, Outcome};
use gettone_examples::{
    Board, Ending, Errand, Key, Machine, Pace, Phone, Seen, Server, Transcript, run as run_program,
};
use serde_json::json;

/// Longer than a chunk, so that its pieces come in turns.
fn configuration() -> String {
    let line = format!("# {}\n", "x".repeat(97));
    format!("language = \"it\"\n{}", line.repeat(600))
}

pub(super) fn run() -> Outcome {
    let dir = tempfile::tempdir()?;
    let quiet = Transcript::quiet();
    let server = Server::start(dir.path(), &quiet)?;
    let terms = json!({
        "machine": MACHINE, "currency": "EUR", "cap": "4.00", "vends_max": 1,
        "fee_basis_points": 0,
    });
    server.post(Key::Operator, "/v1/machines", &terms)?;
    let machine = Machine::start(dir.path(), Pace::Hurried, &quiet)?;
    let (board, places) = Board::start(dir.path(), MACHINE, machine.link(), &server, &quiet)?;
    machine.wait("the reader", |seen| seen == Seen::Ready)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;

    // Somebody buys, and is gone with the receipt.
    let ann = server.customer(1, "5.00")?;
    let phone = Phone::new("ann", ann.clone(), &server, &places, &quiet).hurried();
    runtime.block_on(async {
        let mut visit = phone.tap(1).await?;
        let granted = gettone_channel::BoardState::Granted;
        visit
            .until("the grant", |status| status.state == granted)
            .await?;
        machine.wait("a credit", Seen::is_credit)?;
        machine.select(ESPRESSO, 120, Ending::Dispensed)?;
        machine.wait("the espresso", |seen| seen == Seen::Dispensed)?;
        visit.vanish();
        Ok::<_, gettone_examples::StreetFault>(())
    })?;
    machine.until_idle()?;
    let wallet = server.get(Key::Customer(&ann), "/v1/app/wallet")?;
    assert_ne!(wallet["pending"], "0.00", "nobody has brought it");

    let key = server.operator_key().to_owned();
    let readers = server.get(Key::Operator, "/v1/readers")?;
    let id = readers["lines"][0]["reader_id"]
        .as_str()
        .unwrap_or_default();
    let path = format!("/v1/readers/{id}/config");
    server.put(Key::Operator, &path, &json!({"text": configuration()}))?;

    let errand = Errand::to(&server, &key, MACHINE)?;
    let pace = (&places, Pace::Hurried);
    // The reader waits a moment for the phone that it has lost.
    let done = loop {
        match runtime.block_on(errand.run(pace, &quiet, 2)) {
            Err(gettone_examples::StreetFault::Silence { .. }) => {}
            done => break done?,
        }
    };
    assert!(done.receipts >= 2, "the sale and the CLOSE: {done:?}");
    assert!(done.turns >= 3, "the manifest and two turns: {done:?}");
    let report = done.report.expect("it told");
    for line in [
        "machine 17\n",
        "mdb_link open\n",
        "configuration 0\n",
        "package 1\n",
        "road none\n",
    ] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    // It has all of it: the next visitor is told so, and brings nothing.
    let again = runtime.block_on(errand.run(pace, &quiet, 3))?;
    assert_eq!(again.turns, 0);
    let report = again.report.expect("it told");
    assert!(report.contains("configuration 1\n"), "{report}");
    let wallet = server.get(Key::Customer(&ann), "/v1/app/wallet")?;
    assert_eq!(
        (&wallet["emoney"], &wallet["pending"]),
        (&json!("3.80"), &json!("0.00"))
    );

    board.stop()?;
    machine.stop()?;
    let config = server.stop()?;
    let args = ["audit".as_ref(), "--config".as_ref(), config.as_os_str()];
    let (said, is_balanced) = run_program("gateway", &args)?;
    assert!(is_balanced, "{said}");
    Ok(())
}
