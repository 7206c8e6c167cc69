//! Reads Rust source just far enough to know its modules, its tests, the paths it names.

/// The text without items marked `#[cfg(test)]`.
pub(crate) fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        rest = &item[end_of_item(item)..];
    }
    kept.push_str(rest);
    kept
}

/// Where an item ends: at its `;`, or at the brace that closes its first block.
fn end_of_item(item: &str) -> usize {
    let code = blank_out(item);
    let mut depth = 0;
    for (index, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return index + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    item.len()
}

/// The same text, byte for byte as long, with comments and literals made blank.
pub(crate) fn blank_out(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = vec![b' '; bytes.len()];
    let mut index = 0;
    while index < bytes.len() {
        let end = end_of_literal(text, index);
        if end > index {
            index = end;
            continue;
        }
        code[index] = if bytes[index].is_ascii() { bytes[index] } else { b'_' };
        index += 1;
    }
    String::from_utf8(code).expect("only ASCII is written")
}

/// The end of the comment or literal that begins at `start`; `start` itself when none begins there.
fn end_of_literal(text: &str, start: usize) -> usize {
    let rest = &text.as_bytes()[start..];
    let until = |needle: &[u8], skip: usize| {
        let found = rest[skip..].windows(needle.len()).position(|window| window == needle);
        found.map_or(text.len(), |at| start + skip + at + needle.len())
    };
    match rest {
        [b'/', b'/', ..] => until(b"\n", 0) - 1,
        [b'/', b'*', ..] => until(b"*/", 2),
        [b'r', b'"', ..] => until(b"\"", 2),
        [b'r', b'#', b'"', ..] => until(b"\"#", 3),
        [b'"', ..] => {
            let mut index = 1;
            while index < rest.len() && rest[index] != b'"' {
                index += if rest[index] == b'\\' { 2 } else { 1 };
            }
            (start + index + 1).min(text.len())
        }
        [b'\'', b'\\', _, b'\'', ..] => start + 4,
        [b'\'', _, b'\'', ..] => start + 3,
        _ => start,
    }
}

/// Names of the modules a file declares, in order.
pub(crate) fn modules(text: &str) -> Vec<String> {
    let code = blank_out(&without_tests(text));
    let mut names = Vec::new();
    for line in code.lines() {
        let line = line.trim().strip_prefix("pub ").unwrap_or(line.trim());
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            names.push(name.trim().to_owned());
        }
    }
    names
}

/// Every path that begins with `crate::` or `super::`, groups taken apart: `crate::a::{b, c::d}` gives two.
pub(crate) fn paths(text: &str) -> Vec<Vec<String>> {
    let code = blank_out(&without_tests(text));
    let mut found = Vec::new();
    for (start, _) in code.match_indices("::") {
        let word_start = code[..start].rfind(|c: char| !is_word(c)).map_or(0, |at| at + 1);
        let word = &code[word_start..start];
        let before = &code[..word_start];
        // `pub(in crate::x)` says who may look, it does not import.
        let is_head =
            matches!(word, "crate" | "super") && !before.ends_with("::") && !before.ends_with("(in ");
        if is_head {
            expand(&code[word_start..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one use tree or path; returns how much it took.
fn expand(code: &str, prefix: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    let depth = prefix.len();
    let mut index = 0;
    loop {
        let rest = &code[index..];
        let skipped = rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            let mut taken = 1;
            while !group[taken - 1..].trim_start().starts_with('}') && taken < group.len() {
                taken += expand(&group[taken - 1..], prefix, found);
                let after = &group[taken - 1..];
                taken += after.find([',', '}']).unwrap_or(after.len());
                taken += usize::from(group[taken - 1..].starts_with(','));
            }
            prefix.truncate(depth);
            return index + skipped + taken + 1;
        }
        let length = rest.find(|c: char| !is_word(c) && c != '*').unwrap_or(rest.len());
        if length > 0 {
            prefix.push(rest[..length].to_owned());
        }
        index += skipped + length;
        if !code[index..].starts_with("::") || length == 0 {
            break;
        }
        index += 2;
    }
    if !code[index..].starts_with('!') {
        found.push(prefix.clone());
    }
    prefix.truncate(depth);
    index
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_paths(text: &str, expected: &[&str]) {
        let found: Vec<String> = paths(text).iter().map(|path| path.join("::")).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn finds_paths_in_groups_and_expressions() {
        check_paths("use crate::a::B;", &["crate::a::B"]);
        check_paths("use crate::{a::B, c};", &["crate::a::B", "crate::c"]);
        check_paths(
            "use crate::{\n    a::{B, C},\n    d::*,\n};",
            &["crate::a::B", "crate::a::C", "crate::d::*"],
        );
        check_paths("use super::{a, b as c, self};", &["super::a", "super::b", "super::self"]);
        check_paths("fn f() { super::super::a::g(crate::b::H) }", &["super::super::a::g", "crate::b::H"]);
        check_paths("pub(crate) use self::a::B; pub(in crate::c) struct D(crate::e::F);", &["crate::e::F"]);
        check_paths("crate::shout!(1); x.map(crate::a::f::<u8>)", &["crate::a::f"]);
    }

    #[test]
    fn ignores_comments_literals_tests() {
        check_paths("// crate::a::B\n/* super::c */ let x = \"crate::d\"; let y = '\"';", &[]);
        check_paths(
            "#[cfg(test)]\nmod tests { use super::*; fn f() { \"}\"; } }\nuse crate::a;",
            &["crate::a"],
        );
        check_paths("#[cfg(test)] use crate::b;\nuse crate::a;", &["crate::a"]);
    }

    #[test]
    fn counts_lines_without_tests() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(without_tests(text).trim_end(), "fn a() {}");
    }

    #[test]
    fn reads_modules_in_order() {
        let text =
            "//! mod no;\npub mod b;\nmod a;\npub(crate) mod c;\n#[cfg(test)]\nmod tests;\nmod inline {}\n";
        assert_eq!(modules(text), ["b", "a", "c"]);
    }
}
