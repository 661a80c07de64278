//! What every transport owes the reader; each one runs this same suite.

use gettone_ble::local::{LocalRadio, Phone};
use gettone_ble::{Messages, PipeFault, Radio, SegmentFault, ServiceUuid};
use std::path::Path;

/// A phone's side of a transport, as far as the suite needs it.
trait Air {
    type Radio: Radio;
    fn radio(&self) -> Self::Radio;
    fn path(&self) -> &Path;
}

struct LocalAir(tempfile::TempDir);

impl Air for LocalAir {
    type Radio = LocalRadio;
    fn radio(&self) -> LocalRadio {
        LocalRadio::new(self.0.path())
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn local() -> LocalAir {
    LocalAir(tempfile::tempdir().expect("a directory"))
}

fn service(last: u8) -> ServiceUuid {
    ServiceUuid::for_eid(&[1, 2, 3, 4, 5, 6, 7, last])
}

#[tokio::test(flavor = "current_thread")]
async fn a_message_goes_there_and_back() {
    there_and_back(&local()).await;
}

async fn there_and_back(air: &impl Air) {
    let mut radio = air.radio();
    for mtu in [64, 185, 247, 517] {
        let name = service(u8::try_from(mtu % 251).expect("small"));
        radio.advertise(name, "17").await.expect("a free name");
        let reader = async {
            let mut messages = Messages::new(radio.accept().await.expect("a phone"));
            for _ in 0..3 {
                let message = messages.receive().await.expect("a message");
                messages.send(&message).await.expect("a phone");
            }
        };
        let phone = async {
            let mut phone = Phone::connect(air.path(), name, mtu)
                .await
                .expect("on the air");
            assert_eq!(phone.traffic().round_trips, 2, "MTU, subscription");
            for (fill, len) in [(1, 1), (2, 700), (3, 4096)] {
                let message = vec![fill; len];
                phone.send(&message).await.expect("a reader");
                assert_eq!(phone.receive().await.expect("a reader"), message);
            }
        };
        tokio::join!(reader, phone);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_closed_door_is_not_on_the_air() {
    let air = local();
    let mut radio = air.radio();
    assert!(!Phone::sees(air.path(), service(1)));
    radio
        .advertise(service(1), "17")
        .await
        .expect("a free name");
    assert!(Phone::sees(air.path(), service(1)));
    radio
        .advertise(service(2), "17")
        .await
        .expect("a free name");
    assert!(!Phone::sees(air.path(), service(1)), "one door at a time");
    radio.hush().await;
    assert!(!Phone::sees(air.path(), service(2)));
    assert!(Phone::connect(air.path(), service(2), 185).await.is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn a_link_stays_up_when_the_door_closes() {
    let air = local();
    let mut radio = air.radio();
    radio
        .advertise(service(1), "17")
        .await
        .expect("a free name");
    let reader = async {
        let pipe = radio.accept().await.expect("a phone");
        radio.hush().await;
        let mut messages = Messages::new(pipe);
        let message = messages.receive().await.expect("a message");
        messages.send(&message).await.expect("a phone");
        assert!(matches!(messages.receive().await, Err(PipeFault::Gone)));
    };
    let phone = async {
        let mut phone = Phone::connect(air.path(), service(1), 185)
            .await
            .expect("on the air");
        phone.send(b"still here").await.expect("a reader");
        assert_eq!(phone.receive().await.expect("a reader"), b"still here");
    };
    tokio::join!(reader, phone);
}

#[tokio::test(flavor = "current_thread")]
async fn a_phone_with_too_small_an_mtu_is_refused() {
    let air = local();
    let mut radio = air.radio();
    radio
        .advertise(service(1), "17")
        .await
        .expect("a free name");
    let reader = async {
        let mut messages = Messages::new(radio.accept().await.expect("a phone"));
        let fault = messages.receive().await.expect_err("too small");
        assert!(matches!(
            fault,
            PipeFault::Segment(SegmentFault::MtuTooSmall { offered: 63 })
        ));
    };
    let phone = async {
        assert!(Phone::connect(air.path(), service(1), 63).await.is_err());
    };
    tokio::join!(reader, phone);
}

#[tokio::test(flavor = "current_thread")]
async fn a_phone_that_skips_a_segment_loses_its_link() {
    let air = local();
    let mut radio = air.radio();
    radio
        .advertise(service(1), "17")
        .await
        .expect("a free name");
    let reader = async {
        let mut messages = Messages::new(radio.accept().await.expect("a phone"));
        let fault = messages.receive().await.expect_err("a gap");
        assert!(matches!(
            fault,
            PipeFault::Segment(SegmentFault::Gap {
                expected: 0,
                found: 3
            })
        ));
    };
    let phone = async {
        let mut phone = Phone::connect(air.path(), service(1), 185)
            .await
            .expect("on the air");
        phone
            .write(&[0x80, 3, 1])
            .await
            .expect("written, then judged");
    };
    tokio::join!(reader, phone);
}
