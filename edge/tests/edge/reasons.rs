//! The table of reasons: complete, true to the code, and the page that tells it.
//!
//! `LASTMILE_WRITE=1` writes the page instead of comparing it; read the difference before committing it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lastmile_edge::hub::outcome::GapReason;
use lastmile_edge::reasons::{CloseReason, Place, Reason, all, find, page};
use serde_json::json;

use crate::backend::Backend;
use crate::site::Site;

/// Names in capitals that are no reasons.
const OTHERS: [&str; 6] = ["LASTMILE_", "OTEL_", "CARGO_", "DO_NOT_", "ENCODING_", "OUTCOME_"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The sources of the edge without their tests and without the table, one text a file.
fn sources() -> Vec<String> {
    let (mut folders, mut texts) = (vec![folder()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.extend((!path.ends_with("reasons")).then_some(path));
            } else {
                let text = std::fs::read_to_string(&path).expect("a source");
                texts.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }
    texts
}

/// Everything in quotes between `before` and its closing quote.
fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

/// Each reason of an error with the codes that it is made with, as the sources spell them.
fn made(texts: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in texts {
        for call in text.split("Error::new(").chain(text.split("Self::new(")) {
            let Some((code, rest)) = call.split_once(',') else { continue };
            let Some(reason) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            let code = code.trim().strip_prefix("Code::").filter(|code| !code.contains('('));
            if is_name(reason) {
                made.entry(reason.to_owned()).or_default().extend(code.map(str::to_owned));
            }
        }
        for reason in quoted(text, ".reason(") {
            made.entry(reason.to_owned()).or_default();
        }
    }
    made
}

fn is_name(word: &str) -> bool {
    word.len() > 2 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

fn names(is_there: impl Fn(&Place) -> bool) -> BTreeSet<String> {
    let told = all().filter(|reason| reason.places.iter().any(&is_there));
    told.map(|reason| reason.name.to_owned()).collect()
}

#[test]
fn every_reason_that_the_code_names_is_in_the_table() {
    let texts = sources();
    let in_table = names(|place| matches!(place, Place::Error { .. }));
    let is_reason = |word: &&str| {
        let is_whole = is_name(word) && word.contains('_') && !word.ends_with('_');
        is_whole && !OTHERS.iter().any(|other| word.starts_with(other))
    };
    let codes: Vec<&str> = (1..=16).map(|n| lastmile_edge::error::Code::from_number(n).name()).collect();
    let words: BTreeSet<String> = texts
        .iter()
        // What stands between two quotes need not stand in them; but no code looks like a name alone.
        .flat_map(|text| text.split('"').filter(is_reason).map(str::to_owned))
        .filter(|word| !codes.contains(&word.as_str()))
        .collect();
    // The backend's own words, which the edge only understands.
    let understood: BTreeSet<String> = ["CURSOR_EXPIRED", "CURSOR_EPOCH_CHANGED"].map(String::from).into();
    let unlisted: Vec<_> = words.difference(&in_table).filter(|word| !understood.contains(*word)).collect();
    assert!(unlisted.is_empty(), "not in `edge/src/reasons/`: {unlisted:?}");

    let made = made(&texts);
    let unlisted: Vec<_> = made.keys().filter(|reason| !in_table.contains(*reason)).collect();
    assert!(unlisted.is_empty(), "not in `edge/src/reasons/`: {unlisted:?}");
    let never: Vec<_> = in_table.iter().filter(|reason| !made.contains_key(*reason)).collect();
    assert!(never.is_empty(), "told by nothing: {never:?}");
}

#[test]
fn errors_are_made_with_the_code_of_the_table() {
    for (name, codes) in made(&sources()) {
        let reason = find(&name).unwrap_or_else(|| panic!("{name}"));
        for code in codes {
            let is_told = |place: &Place| matches!(place, Place::Error { code: told, .. } if format!("{told:?}") == code);
            assert!(reason.places.iter().any(is_told), "{name} is made with {code}");
        }
    }
}

#[test]
fn gaps_closes_and_skipped_events_have_the_reasons_of_the_table() {
    let told: BTreeSet<String> = GapReason::ALL.map(|gap| gap.name().to_owned()).into();
    assert_eq!(told, names(|place| *place == Place::Gap));
    let closes = CloseReason::ALL.map(|reason| reason.name().to_owned());
    assert_eq!(BTreeSet::from(closes), names(|place| *place == Place::Close));
    let skipped: BTreeSet<String> = sources()
        .iter()
        .flat_map(|text| quoted(text, "Skipped(").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(skipped, names(|place| *place == Place::Skipped));
}

#[test]
fn each_row_is_whole() {
    let mut seen = BTreeSet::new();
    for Reason { name, places, cause, seen: sight, remedy, .. } in all() {
        assert!(seen.insert(name), "{name} is there twice");
        assert!(!places.is_empty(), "{name} is told nowhere");
        for text in [cause, sight, remedy] {
            assert!(text.len() > 3 && text.ends_with('.') && !text.contains('|'), "{name}: {text}");
        }
    }
}

#[test]
fn the_page_is_the_table() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("REASONS.md");
    if std::env::var_os("LASTMILE_WRITE").is_some() {
        std::fs::write(&file, page()).expect("a page that can be written");
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, page(), "REASONS.md says otherwise: LASTMILE_WRITE=1 writes it");
}

#[tokio::test]
async fn an_edge_serves_the_table_and_problems_point_into_it() {
    let site = Site::start(json!({}), &Backend::new(|_, _| Vec::new())).await;
    let served = site.get("/.well-known/lastmile/reasons", &[]).await;
    assert_eq!((served.status, served.header("content-type").as_str()), (200, "application/json"));
    assert_eq!(served.header("cache-control"), "public, max-age=3600");
    let table = served.json();
    let problem = site.get("/nowhere", &[]).await.json();
    let kind = problem["type"].as_str().expect("a type");
    let (path, name) = kind.split_once('#').expect("a fragment");
    assert_eq!((path, name), ("/.well-known/lastmile/reasons", "ROUTE_NOT_FOUND"));
    let rows = table["reasons"].as_array().expect("rows");
    assert_eq!(rows.len(), all().count());
    let row = rows.iter().find(|row| row["name"] == name).expect("its row");
    let expected = json!([{ "kind": "error", "code": "NOT_FOUND", "httpStatus": 404 }]);
    assert_eq!((&row["places"], &row["retryable"]), (&expected, &json!(false)));
}
