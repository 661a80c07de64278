//! Care by phone through a whole reader: a technician brings a configuration, the board checks it, starts
//! with it, and keeps it once the machine has begun a session.

mod street;

use gettone_channel::{LinkMessage, Manifest, PackageKind, Part, Piece};
use std::fs;
use std::future::Future;
use street::phone::Phone;
use street::{Street, wait_for};

const CODE: [u8; 10] = [7, 6, 5, 4, 3, 2, 1, 0, 9, 8];

fn act<T>(scene: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(scene)
}

/// Brings what is wanted until `slots` says that it is in place.
async fn bring(street: &Street, phone: &mut Phone, text: &str, manifest: &Manifest) {
    loop {
        let want = phone.want().await;
        let whole = match want.part {
            Part::Manifest => manifest.to_bytes(),
            Part::Content => text.as_bytes().to_vec(),
        };
        let end = want.first + u32::from(want.count);
        for index in want.first..end {
            let piece = Piece::of(want.version, want.part, index, &whole);
            phone.say(&LinkMessage::Piece(piece.expect("there"))).await;
        }
        if want.part == Part::Content && Piece::of(0, want.part, end, &whole).is_none() {
            let slots = street.path("state").join("care/slots");
            return wait_for("the configuration in its slot", || slots.exists());
        }
    }
}

#[test]
fn a_configuration_that_a_phone_brought_counts_from_the_next_start_on() {
    let mut street = Street::new();
    let mut machine = street.machine();
    street.start_reader("");
    machine.power_up();
    let text = format!("[mdb]\nscale = 5\n# {}\n", "x".repeat(20_000));
    let manifest = Manifest::of(PackageKind::Configuration, 1, text.as_bytes()).expect("bounded");
    act(async {
        street.show(CODE);
        let mut phone = Phone::link_as_technician(&street.air(), CODE).await;
        street.server.record(&phone.envelope().await);
        assert_eq!(street.server.hello.expect("one").cfg, 0);
        let config = street.server.config(manifest.config());
        phone.bring(config).await;
        bring(&street, &mut phone, &text, &manifest).await;
        phone.say(&LinkMessage::Leave).await;
    });
    let read = || gettone_reader::Config::read(&street.path("reader.toml")).expect("good");
    assert_eq!(read().device.scale, 5, "it stands over the files");
    let slots = fs::read_to_string(street.path("state").join("care/slots")).expect("there");
    assert!(slots.starts_with("current a 1 0"), "{slots}");
}
