//! What anybody on the network can send.

use crate::street::{OPERATOR, Server};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

const JSON: &str = "application/json";

#[test]
fn a_body_that_is_no_relay_is_refused_with_a_problem() {
    let server = Server::start();
    let relay = "/v1/app/relay";
    for garbage in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b"{\"envelopes\": [1]}",
        b"{\"envelopes\": [], \"h\": \"zz\"}",
        b"{\"envelopes\": [], \"h\": 7}",
        b"{\"envelopes\": [], \"account\": 1}",
        "[".repeat(60_000).as_bytes(),
    ] {
        let problem = server.post_bytes(relay, JSON, garbage).problem(400);
        assert_eq!(problem["type"], "urn:gettone:problem:malformed");
    }
    let crowd = json!({"envelopes": vec![""; 17]});
    assert_eq!(server.post(relay, "", &crowd).problem(400)["limit"], 16);
    server
        .post_bytes(relay, "text/plain", b"{\"envelopes\": []}")
        .problem(415);
    let long = vec![b' '; 64 * 1024 + 1];
    server.post_bytes(relay, JSON, &long).problem(413);
    let most = [
        b"{\"envelopes\": []".to_vec(),
        vec![b' '; 64 * 1024 - 17],
        b"}".to_vec(),
    ]
    .concat();
    assert_eq!(most.len(), 64 * 1024);
    server.post_bytes(relay, JSON, &most).ok();
}

#[test]
fn a_text_that_is_no_envelope_is_rejected_beside_the_others() {
    let server = Server::start();
    let carried = json!({"envelopes": ["", "!!!!", "AAAA", "A".repeat(6_000), "é"]});
    let answers = server.post("/v1/app/relay", "", &carried).ok();
    let results = answers["results"].as_array().expect("a list");
    assert_eq!(results.len(), 5);
    for result in results {
        assert_eq!(result["outcome"], "rejected");
    }
    assert_eq!(answers["envelopes"], json!([]));
}

#[test]
fn a_path_that_names_nothing_is_not_found_and_another_method_not_allowed() {
    let server = Server::start();
    server.get("/assets/customer/", "").problem(404);
    server.get("/v1/machines/3/../4", OPERATOR).problem(404);
    for odd in ["x", "-1", "4294967296", "%00", "3.0", "%F0%9F%98%80"] {
        server
            .get(&format!("/v1/machines/{odd}"), OPERATOR)
            .problem(404);
        server
            .get(&format!("/v1/readers/{odd}"), OPERATOR)
            .problem(404);
        let path = format!("/v1/wallets/{odd}/gifts");
        server
            .post_keyed(&path, OPERATOR, "k", &json!({"amount": "1.00"}))
            .problem(404);
    }
    server.get("/v1/app/relay", "").problem(405);
    server.post("/health/live", "", &json!({})).problem(405);
}

#[test]
fn health_and_version_are_for_everybody() {
    let server = Server::start();
    assert_eq!(server.get("/health/live", "").ok()["status"], "live");
    assert_eq!(server.get("/health/ready", "").ok()["status"], "ready");
    let version = server.get("/version", "").ok();
    assert_eq!(version["name"], "gettone-gateway");
    assert_eq!(version["envelope"], 1);
}

#[test]
fn who_speaks_no_http_or_never_ends_does_not_stop_the_others() {
    let server = Server::start();
    let connect = || {
        let stream = TcpStream::connect(server.address).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("set");
        stream
    };
    let raw = |bytes: &[u8]| {
        let mut stream = connect();
        stream.write_all(bytes).expect("written");
        stream
    };
    let answer = |mut stream: TcpStream| {
        let mut bytes = Vec::new();
        // A reset is an answer too.
        let _ = stream.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let garbage = raw(&[0x16, 0x03, 0x01, 0x00, 0xff, 0x00, 0x0d, 0x0a, 0x0d, 0x0a]);
    assert!(!answer(garbage).contains("200"));
    // The gateway may hang up before it has been told all of it: whatever fails here then is its
    // answer, and none that says 200 can follow.
    let mut endless_header = connect();
    let _ = endless_header.write_all(&[b"GET /".as_slice(), &[b'a'; 300_000]].concat());
    let _ = endless_header.shutdown(Shutdown::Write);
    assert!(!answer(endless_header).contains("200"));
    // The body is announced and never comes: the gateway gives up first.
    let slow = raw(
        b"POST /v1/app/relay HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
          content-length: 100\r\nconnection: close\r\n\r\n{",
    );
    let told = answer(slow);
    assert!(told.starts_with("HTTP/1.1 408"), "{told:?}");
    assert!(told.contains("urn:gettone:problem:too-slow"), "{told:?}");
    server.get("/health/live", "").ok();
}
