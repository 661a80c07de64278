//! What the pages ask the server for is what the server describes.

use crate::street::Server;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The words that stand for a method in what the pages' scripts call.
const CALLS: [(&str, &str); 11] = [
    ("ask(", "get"),
    ("read(", "get"),
    ("page(", "get"),
    ("whole(", "get"),
    ("withQuery(", "get"),
    ("EventSource(", "get"),
    ("fetch(", "get"),
    ("send(", "post"),
    ("put(", "put"),
    ("patch(", "patch"),
    ("remove(", "delete"),
];

/// One call of a script: its file, its method if it is plain, its path with `{}` for what is filled in.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Call {
    file: String,
    method: Option<&'static str>,
    path: String,
}

#[test]
fn every_route_that_the_pages_call_is_described() {
    let document = Server::start().get("/v1/openapi.json", "").ok();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods
                .keys()
                .map(move |method| (method.clone(), filled(path)))
        })
        .collect();
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages");
    let mut calls = BTreeSet::new();
    for folder in ["customer", "console", "docs"] {
        for entry in fs::read_dir(pages.join(folder)).expect("a folder of the pages") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|ending| ending == "js") {
                let text = fs::read_to_string(&path).expect("a script");
                let file = path.file_name().expect("a name").to_string_lossy();
                calls.extend(calls_of(&format!("{folder}/{file}"), &text));
            }
        }
    }
    assert!(calls.len() > 30, "{calls:#?}");
    let unknown: Vec<&Call> = calls
        .iter()
        .filter(|call| {
            !described.iter().any(|(method, path)| {
                leads_to(&call.path, path) && call.method.is_none_or(|wanted| wanted == method)
            })
        })
        .collect();
    assert!(
        unknown.is_empty(),
        "not described: {unknown:#?}; described: {described:#?}"
    );
}

#[test]
fn a_call_is_found_with_its_method_and_without_its_query() {
    let script = "await tell(\"DELETE\", \"/v1/app/me?money=given-up\"); read(`${path}/cash`);\n\
                  put(`${path}/products/${item}`, {}); const path = `/v1/machines/${number}`;";
    let found: Vec<String> = calls_of("x.js", script)
        .iter()
        .map(|call| format!("{} {}", call.method.unwrap_or("any"), call.path))
        .collect();
    assert_eq!(
        found,
        [
            "any /v1/machines/{}",
            "delete /v1/app/me",
            "get /v1/machines/{}/cash",
            "put /v1/machines/{}/products/{}"
        ]
    );
}

/// Whether a call's path is a described one; what it fills in may be a name of the description.
fn leads_to(call: &str, described: &str) -> bool {
    let (call, described) = (call.split('/'), described.split('/'));
    call.clone().count() == described.clone().count()
        && call
            .zip(described)
            .all(|(one, other)| one == other || one == "{}")
}

/// Every call whose path stands in the script, whole or after its `path`.
fn calls_of(file: &str, text: &str) -> BTreeSet<Call> {
    let base = text
        .split_once("const path = `")
        .and_then(|(_, rest)| rest.split_once('`'))
        .map(|(path, _)| path.to_owned());
    let mut calls = BTreeSet::new();
    for (at, quote) in text.match_indices(['"', '`']) {
        let rest = &text[at + 1..];
        let whole = rest.starts_with("/v1/");
        if !whole && !rest.starts_with("${path}") {
            continue;
        }
        let Some((inside, _)) = rest.split_once(quote) else {
            continue;
        };
        let path = match (&base, inside.strip_prefix("${path}")) {
            (Some(base), Some(rest)) => format!("{base}{rest}"),
            (None, Some(_)) => continue,
            (_, None) => inside.to_owned(),
        };
        let path = path.split('?').next().unwrap_or_default();
        calls.insert(Call {
            file: file.to_owned(),
            method: method_before(&text[..at]),
            path: filled(path),
        });
    }
    calls
}

fn method_before(text: &str) -> Option<&'static str> {
    for (word, method) in [
        ("\"POST\", ", "post"),
        ("\"PATCH\", ", "patch"),
        ("\"DELETE\", ", "delete"),
    ] {
        if text.ends_with(word) {
            return Some(method);
        }
    }
    CALLS
        .iter()
        .find(|(word, _)| text.ends_with(word))
        .map(|(_, method)| *method)
}

/// A path in which whatever is filled in is `{}`.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    let mut depth = 0_usize;
    for letter in path.chars() {
        match letter {
            '{' => {
                depth += 1;
                if depth == 1 {
                    filled.push_str("{}");
                }
            }
            '}' => depth = depth.saturating_sub(1),
            '$' => {}
            _ if depth == 0 => filled.push(letter),
            _ => {}
        }
    }
    filled
}
