//! The pages as a browser gets them.

use crate::street::Server;
use std::io::Read;

struct Got {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

fn fetch(server: &Server, method: &str, path: &str, known: Option<&str>) -> Got {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let url = format!("http://{}{path}", server.address);
    let mut request = match method {
        "HEAD" => agent.head(url),
        _ => agent.get(url),
    };
    if let Some(etag) = known {
        request = request.header("if-none-match", etag);
    }
    let mut answer = request.call().expect("an answer");
    let headers = answer
        .headers()
        .iter()
        .map(|(name, value)| {
            let value = value.to_str().expect("text").to_owned();
            (name.as_str().to_owned(), value)
        })
        .collect();
    let mut body = Vec::new();
    answer
        .body_mut()
        .as_reader()
        .read_to_end(&mut body)
        .expect("read");
    Got {
        status: answer.status().as_u16(),
        headers,
        body,
    }
}

#[test]
fn every_page_comes_with_a_policy_that_lets_nothing_strange_run() {
    let server = Server::start();
    for path in ["/", "/console", "/technician"] {
        let page = fetch(&server, "GET", path, None);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        for rule in [
            "default-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        let permissions = page.header("permissions-policy");
        assert!(permissions.contains("bluetooth=(self)"), "{permissions}");
        assert!(permissions.contains("microphone=()"), "{permissions}");
    }
}

#[test]
fn a_file_that_is_known_is_not_sent_again() {
    let server = Server::start();
    let path = "/assets/customer/noise.js";
    let script = fetch(&server, "GET", path, None);
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    assert_eq!(script.header("cache-control"), "no-cache");
    assert!(script.body.len() > 1_000);
    let etag = script.header("etag").to_owned();
    let known = fetch(&server, "GET", path, Some(&etag));
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), etag);
    let other = fetch(&server, "GET", path, Some("\"another\""));
    assert_eq!(other.body, script.body);
    let head = fetch(&server, "HEAD", path, None);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("etag"), etag);
}

#[test]
fn only_the_worker_may_serve_more_than_its_own_folder() {
    let server = Server::start();
    let worker = fetch(&server, "GET", "/assets/customer/worker.js", None);
    assert_eq!(worker.header("service-worker-allowed"), "/");
    let app = fetch(&server, "GET", "/assets/customer/app.js", None);
    assert_eq!(app.header("service-worker-allowed"), "");
}

#[test]
fn a_page_takes_nothing_and_a_file_that_is_not_there_is_a_problem() {
    let server = Server::start();
    server.post("/", "", &serde_json::json!({})).problem(405);
    for path in [
        "/assets/customer/",
        "/assets/customer/index.html",
        "/assets/customer/..%2f..%2fCargo.toml",
        "/assets/nobody/app.js",
    ] {
        server.get(path, "").problem(404);
    }
}
