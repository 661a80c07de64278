//! Codes on show: a phone links by the one it has scanned, and everything that is shown goes away
//! with the code.

mod street;

use gettone_channel::{BoardState, LastResult, LinkMessage, ReceiptKind, TokenLink};
use std::fs;
use std::future::Future;
use street::machine::Machine;
use street::phone::Phone;
use street::{Street, wait_for};

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];
const URL: &str = "https://gettone.example";

fn act<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene)
}

/// A reader with a code on show: a technician's phone has brought the key of its codes.
async fn open() -> (Street, Machine) {
    let mut street = Street::new();
    let mut machine = street.machine();
    let [text, picture] = ["code", "code.png"].map(|name| street.path(name));
    fs::write(&text, "of the last start").expect("room");
    street.start_reader(&format!(
        "[token]\nurl = \"{URL}\"\nshow = [\"machine\", \"text:{}\", \"picture:{}\"]",
        text.display(),
        picture.display(),
    ));
    machine.power_up_level_2();
    wait_for("old codes to go", || shown(&street).is_none());
    street.show(CODE);
    let mut phone = Phone::link(&street.air(), CODE).await;
    street.server.record(&phone.envelope().await);
    assert!(street.server.token_key.is_some(), "the first HELLO has it");
    let grant = street.server.grant(500, 1);
    phone.bring(grant).await;
    phone.state(BoardState::Granted).await;
    machine.await_session();
    assert_eq!(shown(&street), None, "no code while somebody is here");
    phone.say(&LinkMessage::Leave).await;
    machine.await_cancel();
    phone.state(BoardState::Linked).await;
    drop(phone);
    (street, machine)
}

/// The link on show, once there is one that is whole.
fn shown(street: &Street) -> Option<String> {
    let text = fs::read_to_string(street.path("code")).expect("there");
    (!text.is_empty()).then_some(text)
}

fn scanned(street: &Street, machine: &mut Machine) -> TokenLink {
    let mut text = None;
    while text.is_none() {
        machine.idle(1);
        text = shown(street);
    }
    let text = text.expect("there is one");
    let link = text
        .strip_prefix(URL)
        .and_then(|text| text.strip_prefix("/t/"));
    link.expect("our host").parse().expect("a code")
}

#[test]
fn a_phone_links_by_the_code_on_show_and_buys() {
    act(async {
        let (mut street, mut machine) = open().await;
        let link = scanned(&street, &mut machine);
        let key = street.server.token_key.clone().expect("it was told");
        assert_eq!(link.token, key.token(link.step));
        assert!(link.open(&key).is_ok(), "the reader's own news");

        let mut phone = Phone::link_by(&street.air(), &link.token.secret()).await;
        street.server.record(&phone.envelope().await);
        let hello = street.server.hello.as_ref().expect("a HELLO");
        assert_eq!(hello.step, link.step, "its use is told");
        wait_for("the code to go", || shown(&street).is_none());
        let picture = fs::read(street.path("code.png")).expect("there");
        let grant = street.server.grant(300, 1);
        phone.bring(grant).await;
        phone.state(BoardState::Granted).await;
        assert_eq!(machine.await_session(), 300);
        assert_eq!(machine.select(120, 23), Some(120));
        machine.deliver(23);
        phone
            .status(|status| status.last == LastResult::Vended)
            .await;
        machine.await_cancel();
        phone.state(BoardState::Linked).await;
        drop(phone);

        // The next code is another one, and brings the sale.
        let next = scanned(&street, &mut machine);
        assert!(next.step > link.step);
        let news = next.open(&key).expect("the reader's own");
        let told: Vec<_> = news.receipts.iter().map(|one| one.kind).collect();
        assert!(told.contains(&ReceiptKind::VendOk), "{told:?}");
        wait_for("the picture of the next code", || {
            fs::read(street.path("code.png")).expect("there") != picture
        });

        // Nobody links by a code that was used.
        let service = gettone_ble::ServiceUuid::for_eid(link.token.secret().eid().as_bytes());
        assert!(!gettone_ble::local::Phone::sees(&street.air(), service));

        street.stop_reader();
        assert_eq!(shown(&street), None, "a reader that is gone shows nothing");
    });
}

#[test]
fn the_machines_display_says_what_may_be_typed() {
    act(async {
        let (mut street, mut machine) = open().await;
        // DISPLAY REQUEST: how long, then both rows.
        let mut said = String::new();
        let began = std::time::Instant::now();
        // This machine's display knows capitals only.
        while !said.contains("CODE") {
            assert!(began.elapsed() < street::PATIENCE, "{said:?} is no code");
            if let [0x02, _, rows @ ..] = &machine.poll()[..] {
                said = String::from_utf8_lossy(rows).into_owned();
            }
        }
        let link = scanned(&street, &mut machine);
        let key = street.server.token_key.clone().expect("it was told");
        let typed = key.typed(link.step, gettone_relay::TYPED_DIGITS);
        assert_eq!(said.trim_end(), format!("CODE 17 {typed:07}"));
        street.stop_reader();
    });
}

#[test]
fn the_key_of_the_codes_goes_with_every_hello_until_it_is_answered() {
    act(async {
        let mut street = Street::new();
        let mut machine = street.machine();
        let text = street.path("code");
        street.start_reader(&format!(
            "[token]\nurl = \"{URL}\"\nshow = [\"text:{}\"]",
            text.display()
        ));
        machine.power_up();
        wait_for("the sign", || text.exists());
        for _ in 0..2 {
            street.show(CODE);
            let mut phone = Phone::link(&street.air(), CODE).await;
            street.server.token_key = None;
            street.server.record(&phone.envelope().await);
            assert!(street.server.token_key.is_some());
            // The server's answer never comes.
            drop(phone);
            machine.idle(20);
            assert_eq!(
                shown(&street),
                None,
                "codes that mean nothing to the server"
            );
        }
        street.stop_reader();
    });
}
