//! The architecture, held by a test: floors, homes of dependencies, purity, names, licences.
//!
//! Every rule is a function from files to complaints, so that each has its negative control: a
//! file that breaks the rule must be complained about.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which floor a package stands on: it may depend on lower floors only.
const FLOORS: [(&str, u8); 15] = [
    ("gettone-core", 0),
    ("gettone-channel", 0),
    ("gettone", 1),
    ("gettone-mdb", 1),
    ("gettone-optical", 1),
    ("gettone-ble", 1),
    ("gettone-display", 1),
    ("gettone-relay", 1),
    ("gettone-phone", 1),
    ("gettone-store", 1),
    ("gettone-gateway", 2),
    ("gettone-reader", 2),
    ("gettone-benches", 3),
    ("gettone-examples", 3),
    // A workspace of its own, so that nobody else builds libFuzzer.
    ("gettone-fuzz", 3),
];

/// Where a dependency lives: nobody else may take it in.
const HOMES: [(&str, &[&str]); 16] = [
    // The stopwatch measures actors of the naive kind beside ours.
    ("actix", &["gettone", "gettone-benches"]),
    ("actix-web", &["gettone-gateway"]),
    ("aes-gcm", &["gettone-channel"]),
    ("bluer", &["gettone-ble"]),
    ("dashmap", &["gettone"]),
    ("dbus", &["gettone-ble"]),
    ("gpiocdev", &["gettone-display"]),
    ("postgres", &["gettone-store", "gettone-gateway"]),
    ("redb", &["gettone-store"]),
    ("rkyv", &["gettone-core"]),
    ("rust_decimal", &["gettone-core", "gettone-gateway"]),
    ("rusqlite", &["gettone-gateway"]),
    ("snow", &["gettone-channel"]),
    ("tokio-serial", &["gettone-mdb"]),
    ("utoipa", &["gettone-gateway"]),
    ("x25519-dalek", &["gettone-channel"]),
];

/// What floor 0 never says: it has no clock, no files, no network, no threads, no async, no globals.
const IMPURE: [&str; 16] = [
    "Instant::now",
    "SystemTime",
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "thread_local!",
    "static mut",
    "OnceLock",
    "LazyLock",
    "async fn",
    "tokio",
    "getrandom",
    "println!",
    "todo!",
];

/// Words that hide what a thing is.
const EMPTY_WORDS: [&str; 8] = [
    "Manager", "Helper", "Utils", "Util", "Common", "Impl", "Data", "Info",
];

/// Licences that let an integrator link this into a closed program.
const LICENCES: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The one licence beyond those. It binds the files of its crate and nothing linked with them; the crate is used as
/// published, for the `bridge:` link of gettone-mdb alone.
const EXCEPTION: Exception = Exception {
    package: "serialport",
    licence: "MPL-2.0",
    takers: ["tokio-serial", "mio-serial"],
};

struct Exception {
    package: &'static str,
    licence: &'static str,
    /// Who takes it in; `mio-serial` is a part of `tokio-serial`.
    takers: [&'static str; 2],
}

struct File {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the engine lies in the workspace")
        .to_path_buf()
}

fn walk(dir: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder of ours can be read") {
        let path = entry.expect("an entry can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                walk(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

/// Every text file of the project that has one of these endings.
fn files(endings: &[&str]) -> Vec<File> {
    let root = root();
    let mut found = Vec::new();
    walk(&root, endings, &mut found);
    found.sort();
    found
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            let path = path
                .strip_prefix(&root)
                .ok()?
                .to_string_lossy()
                .into_owned();
            Some(File { path, text })
        })
        .collect()
}

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn complaints_of(files: &[File], rule: fn(&File) -> Vec<String>) -> Vec<String> {
    files.iter().flat_map(rule).collect()
}

fn floor(package: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == package)
        .map(|(_, floor)| *floor)
}

/// Names in one table of a manifest.
fn dependencies(manifest: &toml::Table, table: &str) -> Vec<String> {
    manifest
        .get(table)
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

fn manifest_complaints(file: &File) -> Vec<String> {
    let manifest: toml::Table = file.text.parse().expect("a manifest is TOML");
    let Some(package) = manifest
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(toml::Value::as_str)
    else {
        return Vec::new();
    };
    let Some(own) = floor(package) else {
        return vec![format!("{}: {package} stands on no floor", file.path)];
    };
    let mut complaints = Vec::new();
    let normal = dependencies(&manifest, "dependencies");
    let build = dependencies(&manifest, "build-dependencies");
    for name in normal.iter().chain(&build) {
        if floor(name).is_some_and(|other| other >= own) {
            complaints.push(format!(
                "{package} depends on {name}, which is no lower floor"
            ));
        }
        let home = HOMES.iter().find(|(known, _)| known == name);
        if home.is_some_and(|(_, homes)| !homes.contains(&package)) {
            complaints.push(format!(
                "{package} takes in {name}, whose home is elsewhere"
            ));
        }
    }
    // Tests climb the stairs sideways, never up: an engine is tested with a real store.
    for name in dependencies(&manifest, "dev-dependencies") {
        if floor(&name).is_some_and(|other| other > own) {
            complaints.push(format!(
                "tests of {package} depend on {name}, a higher floor"
            ));
        }
    }
    if manifest.get("lints").is_none() {
        complaints.push(format!("{package} does not take the workspace's lints"));
    }
    complaints
}

/// The code of a file before its tests, without comments.
fn code(file: &File) -> String {
    let before_tests = file
        .text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    before_tests
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn purity_complaints(file: &File) -> Vec<String> {
    let code = code(file);
    IMPURE
        .iter()
        .filter(|word| code.contains(*word))
        .map(|word| format!("{}: floor 0 says {word}", file.path))
        .collect()
}

/// Names that a piece of code defines.
fn names(code: &str) -> Vec<&str> {
    let words: Vec<&str> = code
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    words
        .windows(2)
        .filter(|pair| {
            matches!(
                pair[0],
                "fn" | "struct" | "enum" | "trait" | "type" | "mod" | "const" | "static"
            )
        })
        .map(|pair| pair[1])
        .collect()
}

fn name_complaints(file: &File) -> Vec<String> {
    let code = code(file);
    names(&code)
        .into_iter()
        .filter(|name| {
            name.starts_with("get_")
                || ["utils", "util", "common", "helpers", "misc"].contains(name)
                || EMPTY_WORDS.iter().any(|word| name.ends_with(word))
        })
        .map(|name| format!("{}: the name {name} says nothing", file.path))
        .collect()
}

/// A crate's first page: what it is, and an example that compiles.
fn front_page_complaints(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    if !file.text.starts_with("//!") {
        complaints.push(format!("{}: it does not open with what it is", file.path));
    }
    if !file.text.contains("//! ```") {
        complaints.push(format!("{}: it opens without an example", file.path));
    }
    complaints
}

fn sleep_complaints(file: &File) -> Vec<String> {
    let sleeps = file
        .text
        .lines()
        .any(|line| line.contains("sleep(") && !line.trim_start().starts_with("//"));
    if file.path.contains("/tests/") && !file.path.ends_with("tidy.rs") && sleeps {
        vec![format!("{}: a test sleeps", file.path)]
    } else {
        Vec::new()
    }
}

/// Paths of somebody's machine say nothing to anybody else.
fn path_complaints(file: &File) -> Vec<String> {
    ["/ho\u{6d}e/", "/ro\u{6f}t/", "/wo\u{72}k/"]
        .iter()
        .filter(|path| file.text.contains(**path))
        .map(|path| format!("{}: it names the path {path}", file.path))
        .collect()
}

/// What a package of `cargo metadata` asks of those who link it, and whether it may take in what asks more.
fn licence_complaints(package: &serde_json::Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or("?");
    let licence = package["license"].as_str().unwrap_or("none named");
    let source = package["source"].as_str().unwrap_or_default();
    let is_excepted = name == EXCEPTION.package
        && licence == EXCEPTION.licence
        && source.starts_with("registry+");
    let mut complaints = Vec::new();
    if !is_excepted && !licence_is_open(licence) {
        complaints.push(format!("{name} may not be linked: {licence}, {source}"));
    }
    let mut taken_in = package["dependencies"].as_array().into_iter().flatten();
    if taken_in.any(|taken| taken["name"] == EXCEPTION.package) && !EXCEPTION.takers.contains(&name)
    {
        complaints.push(format!(
            "{name} takes in {}, which is excepted for another use",
            EXCEPTION.package
        ));
    }
    complaints
}

fn licence_is_open(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ");
    // A bracket ends an alternative here only where it holds alternatives itself; taking every
    // part by itself is stricter than the expression, never laxer, for conjunctions of brackets.
    if let Some((bracketed, rest)) = spaced
        .strip_prefix('(')
        .and_then(|tail| tail.split_once(')'))
    {
        let rest = rest.trim();
        return match rest.strip_prefix("AND ") {
            Some(rest) => licence_is_open(bracketed) && licence_is_open(rest),
            None => licence_is_open(bracketed),
        };
    }
    spaced.split(" OR ").any(|alternative| {
        alternative
            .split(" AND ")
            .all(|licence| LICENCES.contains(&licence.trim().trim_matches(['(', ')'])))
    })
}

fn is_floor_0(file: &File) -> bool {
    file.path.starts_with("engine/core/src") || file.path.starts_with("adapters/channel/src")
}

#[test]
fn a_package_depends_only_on_lower_floors_and_takes_nothing_from_anothers_home() {
    let manifests = files(&["Cargo.toml"]);
    let packages = manifests.iter().filter(|file| file.path != "Cargo.toml");
    assert_eq!(packages.count(), FLOORS.len(), "a package without a floor");
    assert_eq!(complaints_of(&manifests, manifest_complaints), [""; 0]);

    let manifest = |name: &str, table: &str, dependency: &str| {
        format!("[package]\nname = \"{name}\"\n[lints]\n[{table}]\n{dependency} = \"1\"\n")
    };
    for (what, broken) in [
        (
            "upward",
            manifest("gettone-core", "dependencies", "gettone"),
        ),
        ("stolen", manifest("gettone-mdb", "dependencies", "rkyv")),
        (
            "sideways",
            manifest("gettone-ble", "dependencies", "gettone-mdb"),
        ),
        (
            "tested upward",
            manifest("gettone-ble", "dev-dependencies", "gettone-reader"),
        ),
    ] {
        let complaints = manifest_complaints(&file("x/Cargo.toml", &broken));
        assert_eq!(complaints.len(), 1, "{what}: {complaints:?}");
    }
}

#[test]
fn the_lowest_floor_has_no_clock_no_file_no_network_and_no_global() {
    let pure: Vec<File> = files(&[".rs"]).into_iter().filter(is_floor_0).collect();
    assert!(pure.len() > 20, "the lowest floor was not found");
    assert_eq!(complaints_of(&pure, purity_complaints), [""; 0]);

    let clock = file("engine/core/src/x.rs", "fn now() { Instant::now(); }");
    assert_eq!(purity_complaints(&clock).len(), 1);
    let only_said = file("engine/core/src/x.rs", "// Instant::now is not called\n");
    assert_eq!(purity_complaints(&only_said), [""; 0]);
}

#[test]
fn every_name_says_what_it_names() {
    // This file names what it forbids.
    let all = files(&[".rs"]);
    let others: Vec<File> = all
        .into_iter()
        .filter(|file| file.path != "engine/tests/tidy.rs")
        .collect();
    assert_eq!(complaints_of(&others, name_complaints), [""; 0]);
    for empty in [
        "struct WalletManager;",
        "fn get_balance() {}",
        "mod utils {}",
        "struct StoreImpl;",
        "struct VendInfo;",
    ] {
        assert_eq!(name_complaints(&file("x.rs", empty)).len(), 1, "{empty}");
    }
}

#[test]
fn every_crate_opens_with_what_it_is_and_an_example() {
    let pages: Vec<File> = files(&["lib.rs"])
        .into_iter()
        .filter(|file| file.path.ends_with("src/lib.rs"))
        .collect();
    assert!(pages.len() >= 10, "the crates were not found");
    assert_eq!(complaints_of(&pages, front_page_complaints), [""; 0]);
    assert_eq!(
        front_page_complaints(&file("x/src/lib.rs", "mod a;")).len(),
        2
    );
}

#[test]
fn no_test_sleeps() {
    assert_eq!(complaints_of(&files(&[".rs"]), sleep_complaints), [""; 0]);
    let sleepy = file("x/tests/y.rs", "fn a() { thread::sleep(SECOND); }");
    assert_eq!(sleep_complaints(&sleepy).len(), 1);
}

#[test]
fn nothing_names_a_path_of_somebodys_machine() {
    let texts = files(&[".rs", ".toml", ".md", ".sh", ".yml", ".json"]);
    assert_eq!(complaints_of(&texts, path_complaints), [""; 0]);
    let local = file("x.md", &format!("see /{}/ann/gettone", "home"));
    assert_eq!(path_complaints(&local).len(), 1);
}

#[test]
fn every_dependency_may_be_linked_into_a_closed_program() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("it lists packages");
    assert!(packages.len() > 50, "{} packages", packages.len());
    let complaints: Vec<String> = packages.iter().flat_map(licence_complaints).collect();
    assert_eq!(complaints, [""; 0]);

    for licence in [
        "MIT OR GPL-3.0-only",
        "MIT/Apache-2.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Zlib OR Apache-2.0 OR MIT",
    ] {
        assert!(licence_is_open(licence), "{licence}");
    }
    for licence in [
        "GPL-3.0-or-later",
        "MIT AND LGPL-2.1",
        "(MIT OR Apache-2.0) AND GPL-2.0",
        "MPL-2.0",
        "none named",
    ] {
        assert!(!licence_is_open(licence), "{licence}");
    }
}

#[test]
fn one_named_package_may_have_a_weak_copyleft_as_published_and_for_one_use() {
    let package = |name: &str, licence: &str, source: &str, taken_in: &str| {
        serde_json::json!({
            "name": name,
            "license": licence,
            "source": source,
            "dependencies": [{ "name": taken_in }],
        })
    };
    let published = "registry+index";
    for allowed in [
        package("serialport", "MPL-2.0", published, "nix"),
        package("tokio-serial", "MIT", published, "serialport"),
        package("mio-serial", "MIT", published, "serialport"),
        package("x", "MIT", published, "nix"),
    ] {
        assert_eq!(licence_complaints(&allowed), [""; 0], "{allowed}");
    }
    for broken in [
        package("x", "MPL-2.0", published, "nix"),
        package("serialport", "GPL-3.0-only", published, "nix"),
        package("serialport", "LGPL-2.1-only", published, "nix"),
        package("serialport", "MPL-2.0", "git+elsewhere", "nix"),
        package("gettone-mdb", "MIT", "", "serialport"),
    ] {
        assert_eq!(licence_complaints(&broken).len(), 1, "{broken}");
    }
}
