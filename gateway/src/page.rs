//! The pages, embedded: every file that a browser may ask for stands in one table.

use crate::problem::{Kind, Problem};
use crate::text::hex;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH,
    PERMISSIONS_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, web};
use core::future::ready;
use sha2::{Digest, Sha256};

/// Nothing runs, loads or connects but what this server itself serves.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What the page may use of the phone: its radio, its wake lock, its whole screen, and its camera for
/// the code that a machine shows; nothing else.
const PERMISSIONS: &str = "bluetooth=(self), screen-wake-lock=(self), fullscreen=(self), \
                           camera=(self), microphone=(), geolocation=(), payment=(), usb=()";
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const MANIFEST: &str = "application/manifest+json";

struct File {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

/// Takes a folder of `pages/`, the path that opens it, and the files under `/assets/FOLDER/`.
macro_rules! folder {
    ($folder:literal, $door:literal, [$(($name:literal, $media_type:expr),)*]) => {
        &[
            File {
                path: $door,
                media_type: HTML,
                bytes: include_bytes!(concat!("../pages/", $folder, "/index.html")),
            },
            $(File {
                path: concat!("/assets/", $folder, "/", $name),
                media_type: $media_type,
                bytes: include_bytes!(concat!("../pages/", $folder, "/", $name)),
            },)*
        ]
    };
}

#[rustfmt::skip]
const CUSTOMER: &[File] = folder!("customer", "/", [
    ("api.js", SCRIPT),
    ("app.js", SCRIPT),
    ("bluetooth.js", SCRIPT),
    ("buy.js", SCRIPT),
    ("bytes.js", SCRIPT),
    ("customer.js", SCRIPT),
    ("dom.js", SCRIPT),
    ("favourite.js", SCRIPT),
    ("flash.js", SCRIPT),
    ("history.js", SCRIPT),
    ("icon.svg", SVG),
    ("line.js", SCRIPT),
    ("link.js", SCRIPT),
    ("manifest.webmanifest", MANIFEST),
    ("noise.js", SCRIPT),
    ("optical.js", SCRIPT),
    ("relay.js", SCRIPT),
    ("scan.js", SCRIPT),
    ("segments.js", SCRIPT),
    ("send.js", SCRIPT),
    ("settings.js", SCRIPT),
    ("sign-in.js", SCRIPT),
    ("style.css", STYLE),
    ("token.js", SCRIPT),
    ("typed.js", SCRIPT),
    ("visit.js", SCRIPT),
    ("wallet.js", SCRIPT),
    ("words.js", SCRIPT),
    ("worker.js", SCRIPT),
]);

#[rustfmt::skip]
const CONSOLE: &[File] = folder!("console", "/console", [
    ("api.js", SCRIPT),
    ("app.js", SCRIPT),
    ("balance.js", SCRIPT),
    ("console.css", STYLE),
    ("credit.js", SCRIPT),
    ("dom.js", SCRIPT),
    ("icon.svg", SVG),
    ("live.js", SCRIPT),
    ("log.js", SCRIPT),
    ("machine.js", SCRIPT),
    ("overview.js", SCRIPT),
    ("people.js", SCRIPT),
    ("readers.js", SCRIPT),
    ("refunds.js", SCRIPT),
    ("sales.js", SCRIPT),
    ("sign-in.js", SCRIPT),
    ("words.js", SCRIPT),
]);

/// It shares the customer's radio, light and link, file for file.
#[rustfmt::skip]
const TECHNICIAN: &[File] = folder!("technician", "/technician", [
    ("app.js", SCRIPT),
    ("packages.js", SCRIPT),
    ("round.js", SCRIPT),
    ("technician.css", STYLE),
    ("words.js", SCRIPT),
]);

#[rustfmt::skip]
const DOCS: &[File] = folder!("docs", "/docs", [
    ("docs.js", SCRIPT),
    ("style.css", STYLE),
]);

fn all() -> impl Iterator<Item = &'static File> {
    [CUSTOMER, CONSOLE, TECHNICIAN, DOCS].into_iter().flatten()
}

/// Adds every file of the pages.
pub(crate) fn pages(app: &mut web::ServiceConfig) {
    for file in all() {
        let etag = etag(file.bytes);
        let serve = move |request: HttpRequest| ready(shown(file, &etag, &request));
        app.service(
            web::resource(file.path)
                .route(web::get().to(serve.clone()))
                .route(web::head().to(serve))
                .default_service(web::to(only_to_look_at)),
        );
    }
    // The link of a code on show opens the page; the page brings the code.
    if let Some(door) = CUSTOMER.first() {
        let etag = etag(door.bytes);
        let serve = move |request: HttpRequest| ready(shown(door, &etag, &request));
        app.service(
            web::resource("/t/{code}")
                .route(web::get().to(serve.clone()))
                .route(web::head().to(serve))
                .default_service(web::to(only_to_look_at)),
        );
    }
}

fn shown(file: &File, etag: &str, request: &HttpRequest) -> HttpResponse {
    let is_known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| matches(one, etag)));
    let (status, bytes) = if is_known {
        (StatusCode::NOT_MODIFIED, &[][..])
    } else {
        (StatusCode::OK, file.bytes)
    };
    let mut answer = HttpResponse::build(status);
    answer
        // Asked for again every time, sent again only when changed: no page outlives its server's version.
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((ETAG, etag))
        .insert_header((CONTENT_TYPE, file.media_type))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((PERMISSIONS_POLICY, PERMISSIONS))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((OPENER_POLICY, "same-origin"))
        .insert_header((RESOURCE_POLICY, "same-origin"));
    if file.path == "/assets/customer/worker.js" {
        // It lies beside the files that it keeps, and serves the page one floor above them.
        answer.insert_header((SERVICE_WORKER_ALLOWED, "/"));
    }
    answer.body(bytes)
}

/// Compares as RFC 9110 section 13.1.2 wants it: weakly.
fn matches(one: &str, etag: &str) -> bool {
    let one = one.trim();
    one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag
}

fn etag(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    format!("\"{}\"", hex(&digest[..16]))
}

async fn only_to_look_at() -> Result<&'static str, Problem> {
    Err(Kind::Method.because("a page is only to be looked at: GET or HEAD"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn on_disk(folder: &str) -> BTreeSet<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("pages")
            .join(folder);
        std::fs::read_dir(path)
            .expect("the folder is there")
            .map(|entry| {
                let name = entry.expect("readable").file_name();
                name.to_string_lossy().into_owned()
            })
            .collect()
    }

    #[test]
    fn the_table_names_every_file_of_the_pages_and_no_other() {
        for (folder, table) in [
            ("customer", CUSTOMER),
            ("console", CONSOLE),
            ("technician", TECHNICIAN),
            ("docs", DOCS),
        ] {
            let named: BTreeSet<String> = table
                .iter()
                .map(|file| match file.path.rsplit_once('/') {
                    Some((_, name)) if file.path.starts_with("/assets/") => name.to_owned(),
                    _ => "index.html".to_owned(),
                })
                .collect();
            assert_eq!(named, on_disk(folder), "{folder}");
        }
    }

    #[test]
    fn no_page_asks_another_server_for_anything() {
        for file in all() {
            let Ok(text) = core::str::from_utf8(file.bytes) else {
                continue;
            };
            for far in [
                "src=\"http",
                "src=\"//",
                "from \"http",
                "url(http",
                "@import",
            ] {
                assert!(!text.contains(far), "{}: {far}", file.path);
            }
            if file.media_type == HTML {
                assert!(!text.contains("<style"), "{}: inline style", file.path);
                assert!(!text.contains("<script>"), "{}: inline script", file.path);
                assert!(!text.contains(" onclick="), "{}: inline code", file.path);
            }
        }
    }

    #[test]
    fn a_known_etag_is_found_in_a_list_however_weak() {
        let etag = "\"ab\"";
        for known in ["\"ab\"", "W/\"ab\"", "*"] {
            assert!(matches(known, etag), "{known}");
        }
        assert!(!matches("\"abc\"", etag));
    }
}
