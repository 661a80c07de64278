//! The compliance table names tests; each of them is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every test of this package, by its name.
fn tests(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).expect("a folder of ours") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).expect("a file of ours");
            for part in text.split("#[test]").skip(1) {
                let name = part.split_once("fn ").map(|(_, rest)| rest);
                let name = name.and_then(|rest| rest.split_once('('));
                found.extend(name.map(|(name, _)| name.trim().to_owned()));
            }
        }
    }
}

/// The names that a page says are tests: long words of small letters between back-quotes.
fn named(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    let is_test = |it: &&str| {
        it.matches('_').count() >= 3 && it.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
    };
    quoted.filter(is_test).collect()
}

#[test]
fn every_test_of_the_compliance_table_exists() {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/mdb-compliance.md")).expect("the page");
    let mut found = BTreeSet::new();
    // What a board makes of it is tested where boards are.
    for package in [".", "../../linux-reader", "../../engine/core"] {
        tests(&here.join(package).join("src"), &mut found);
        tests(&here.join(package).join("tests"), &mut found);
    }
    let named = named(&page);
    assert!(named.len() > 50, "the page names tests");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|it| !found.contains(*it))
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(
        !found.contains("a_test_that_is_not_there"),
        "the look finds what is missing"
    );
}
