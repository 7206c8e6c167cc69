//! House rules that a reader relies on, checked on every source file.

#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/imports.rs"]
mod imports;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 4] = ["proto/src", "edge/src", "server/src", "tests/src"];
const LONGEST_FILE: usize = 400;

#[test]
fn imports_go_downward() {
    for crate_folder in CRATES {
        let violations = imports::violations(&root().join(crate_folder));
        assert!(violations.is_empty(), "{crate_folder}:\n{}", violations.join("\n"));
    }
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources(&["rs", "ts", "vue", "py", "go"])
        .into_iter()
        .filter(|path| !path.ends_with(".test.ts"))
        .map(|path| (source::without_tests(&read(&path)).lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines without tests:\n{}", long.join("\n"));
}

#[test]
fn files_say_what_they_are_for() {
    let silent: Vec<String> =
        sources(&["rs"]).into_iter().filter(|path| !read(path).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "no `//!` line at the top:\n{}", silent.join("\n"));
}

#[test]
fn top_level_holds_nothing_unexpected() {
    let required = [
        ".ci",
        ".gitignore",
        "ARCHITECTURE.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "client-ts",
        "clippy.toml",
        "deny.toml",
        "edge",
        "proto",
        "rustfmt.toml",
        "server",
        "tests",
    ];
    let later = ["CHANGELOG.md", "OPERATIONS.md", "SECURITY.md", "deploy"];
    let found: BTreeSet<String> =
        tracked().iter().filter_map(|path| path.split('/').next()).map(String::from).collect();
    for name in required {
        assert!(found.contains(name), "{name} is missing at the top level");
    }
    for name in found {
        assert!(
            required.contains(&&*name) || later.contains(&&*name),
            "{name} has no place at the top level"
        );
    }
}

#[test]
fn edge_names_no_business_message() {
    for path in sources(&["rs", "toml"]).iter().filter(|path| path.starts_with("edge/")) {
        let text = read(path);
        for name in ["lastmile.v1.", "lastmile_proto::v1", "lastmile/v1"] {
            let found = text.lines().find(|line| line.contains(name) && !is_subprotocol(line));
            assert!(found.is_none(), "{path} names {name}: {}", found.unwrap_or_default());
        }
    }
}

/// `lastmile.v1.json` and `lastmile.v1.proto` are WebSocket subprotocols, not packages.
fn is_subprotocol(line: &str) -> bool {
    !line.replace("lastmile.v1.json", "").replace("lastmile.v1.proto", "").contains("lastmile.v1.")
        && !line.contains("lastmile_proto::v1")
        && !line.contains("lastmile/v1")
}

#[test]
fn crates_depend_one_way() {
    let edge = dependencies(&["-p", "lastmile-edge"]);
    assert!(!edge.contains("lastmile-server"), "lastmile-edge depends on lastmile-server:\n{edge}");
    let core = dependencies(&["-p", "lastmile-server", "--no-default-features"]);
    assert!(!core.contains("lastmile-edge"), "the bare core depends on lastmile-edge:\n{core}");
    let whole = dependencies(&["-p", "lastmile-server"]);
    assert!(whole.contains("lastmile-edge"), "the all-in-one core should show what is looked for:\n{whole}");
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let forbidden =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tm", "p/")];
    for path in tracked().iter().filter(|path| !path.ends_with(".lock")) {
        let text = read(path);
        for name in forbidden {
            assert!(!text.contains(name), "{path} names {name}");
        }
    }
}

fn dependencies(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn sources(extensions: &[&str]) -> Vec<String> {
    let mut paths = tracked();
    paths.retain(|path| path.rsplit('.').next().is_some_and(|extension| extensions.contains(&extension)));
    paths
}

/// Paths under version control that still exist.
fn tracked() -> Vec<String> {
    let output = Command::new("git").args(["ls-files"]).current_dir(root()).output().expect("git runs");
    let paths = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!paths.is_empty(), "these rules are checked in a git checkout");
    paths.lines().filter(|path| root().join(path).is_file()).map(String::from).collect()
}

fn read(path: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(path)).expect("a tracked file")).into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
