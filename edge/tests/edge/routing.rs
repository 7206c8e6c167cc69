//! The router finds what a naive search finds, whatever the order of declaration.

use std::collections::BTreeSet;

use lastmile_edge::schema::routes::{Found, Routes};
use lastmile_edge::schema::template::{Segment, Template};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::arbitrary::unrecorded;

const METHODS: [&str; 5] = ["GET", "POST", "HEAD", "PURGE", "*"];

type Row = (&'static str, String);

/// How good a match is, segment by segment; less is better. A literal beats `*`, that beats `**`, and of two `**` the
/// shorter wins.
type Precedence = Vec<usize>;

/// Every way in which segments of a template can lie over those of a path.
fn matches(template: &[Segment], path: &[&str]) -> Vec<Precedence> {
    let tails = |step: usize, template, path| {
        let tails: Vec<Precedence> = matches(template, path);
        tails.into_iter().map(move |tail| [vec![step], tail].concat())
    };
    match (template, path) {
        ([], []) => vec![vec![]],
        ([], _) => vec![],
        ([Segment::Multi, rest @ ..], _) => {
            (0..=path.len()).flat_map(|taken| tails(3 + taken, rest, &path[taken..])).collect()
        }
        ([Segment::Literal(text), rest @ ..], [first, path @ ..]) if text == first => {
            tails(1, rest, path).collect()
        }
        ([Segment::Single, rest @ ..], [first, path @ ..]) if !first.is_empty() => {
            tails(2, rest, path).collect()
        }
        _ => vec![],
    }
}

/// Tries all templates and takes the best match.
fn naive(rows: &[Row], method: &str, path: &str) -> String {
    let path: Vec<&str> = path[1..].split('/').collect();
    let last = path[path.len() - 1];
    let readings = match last.rsplit_once(':') {
        Some((head, verb)) => vec![([&path[..path.len() - 1], &[head]].concat(), Some(verb)), (path, None)],
        None => vec![(path, None)],
    };
    for (path, verb) in readings {
        let mut best: Option<(Precedence, usize, String)> = None;
        let mut others = BTreeSet::new();
        for (declared, text) in rows {
            let template = Template::parse(text).expect("a template");
            if template.verb.as_deref() != verb {
                continue;
            }
            for precedence in matches(&template.segments, &path) {
                let rank = match *declared {
                    declared if declared == method => 0,
                    "GET" if method == "HEAD" => 1,
                    "*" => 2,
                    _ => {
                        others.insert(*declared);
                        continue;
                    }
                };
                let found = (precedence, rank, format!("{declared} {text}"));
                if best.as_ref().is_none_or(|best| found < *best) {
                    best = Some(found);
                }
            }
        }
        match best {
            Some((_, _, found)) => return found,
            None if !others.is_empty() => return format!("405 {others:?}"),
            None => {}
        }
    }
    "404".to_owned()
}

fn routed(rows: &[Row], method: &str, path: &str) -> String {
    let mut routes = Routes::default();
    for (declared, text) in rows {
        let value = format!("{declared} {text}");
        routes.insert(declared, Template::parse(text).expect("a template"), value).expect("no duplicate");
    }
    match routes.find(method, path) {
        Ok(Found::Route(route)) => route.value.clone(),
        Ok(Found::OtherMethods(methods)) => format!("405 {:?}", methods.into_iter().collect::<BTreeSet<_>>()),
        Ok(Found::Nothing) => "404".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn template() -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "b", "*", "*", "**", "{x}", "{y=a/*}", "{z=b/**}"]);
    let verb = select(vec!["", "", ":v", ":w"]);
    (vec(segment, 1..5), verb).prop_map(|(segments, verb)| format!("/{}{verb}", segments.join("/")))
}

/// Templates that are good and no two of which stand on the same paths with the same method.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec((select(METHODS.to_vec()), template()), 1..12).prop_map(|rows| {
        let mut routes = Routes::default();
        let mut add = |(method, text): &Row| match Template::parse(text) {
            Ok(template) => routes.insert(method, template, ()).is_ok(),
            Err(_) => false,
        };
        rows.into_iter().filter(|row| add(row)).collect()
    })
}

fn path() -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "a", "b", "b", "c", ""]);
    let verb = select(vec!["", "", ":v", ":w", ":u", ":"]);
    (vec(segment, 1..6), verb).prop_map(|(segments, verb)| format!("/{}{verb}", segments.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..unrecorded() })]

    #[test]
    fn finds_what_a_naive_search_finds(
        rows in rows(),
        method in select(METHODS[..4].to_vec()),
        paths in vec(path(), 1..20),
        turn in any::<Index>(),
    ) {
        let mut turned = rows.clone();
        if !turned.is_empty() {
            let by = turn.index(turned.len());
            turned.rotate_left(by);
        }
        for path in paths {
            let expected = naive(&rows, method, &path);
            prop_assert_eq!(routed(&rows, method, &path), expected.clone(), "{} {}", method, &path);
            prop_assert_eq!(routed(&turned, method, &path), expected, "{} {} turned", method, &path);
        }
    }
}
