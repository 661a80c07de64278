//! The description of the API, and what every answer says to a browser.

use crate::street::{OPERATOR, Server};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field.as_str()) {
                    ("$ref", Some(target)) => {
                        found.insert(target);
                    }
                    _ => references(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_description_is_whole_and_says_something_about_every_route() {
    let document = Server::start().get("/v1/openapi.json", "").ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for target in found {
        let pointer = target.strip_prefix('#').expect("nothing lies elsewhere");
        assert!(
            document.pointer(pointer).is_some(),
            "{target} leads nowhere"
        );
    }
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id), "{id} twice");
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(summary.len() > 10, "{method} {path} says nothing");
            assert!(
                operation["security"].is_array(),
                "{method} {path}: for whom?"
            );
            let answers = operation["responses"].as_object().expect("answers");
            assert!(answers.len() > 1, "{method} {path} answers nothing");
            if method == "get" {
                assert!(operation.get("requestBody").is_none(), "{path}");
            }
        }
    }
}

#[test]
fn the_program_prints_the_description_that_the_server_serves() {
    let printed = Command::new(env!("CARGO_BIN_EXE_gettone-gateway"))
        .arg("openapi")
        .output()
        .expect("it runs");
    assert!(printed.status.success(), "{printed:?}");
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("JSON");
    assert_eq!(printed, Server::start().get("/v1/openapi.json", "").ok());
}

#[test]
fn every_answer_is_guarded_whatever_it_is() {
    let server = Server::start();
    for (path, credential) in [
        ("/health/live", ""),
        ("/v1/openapi.json", ""),
        ("/v1/sales", OPERATOR),
        ("/v1/sales", "nobody's"),
        ("/nowhere", ""),
        ("/", ""),
        ("/console", ""),
        ("/docs", ""),
    ] {
        let reply = server.get(path, credential);
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        if path.starts_with("/v1/") {
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        }
    }
}
