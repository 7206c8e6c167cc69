//! Checks that a file names only modules declared above its own.
//!
//! With every arrow pointing up the list there can be no circle, so none is searched for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::source;

/// A module's path inside its crate; the root is empty.
type Module = Vec<String>;

/// Arrows that break the order in the crate whose sources lie in `folder`, one sentence each.
pub(crate) fn violations(folder: &Path) -> Vec<String> {
    let mut files = BTreeMap::new();
    read_module(folder, "lib.rs", Vec::new(), &mut files);
    check(&files)
}

fn read_module(folder: &Path, file: &str, module: Module, files: &mut BTreeMap<Module, String>) {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    for child in source::modules(&text) {
        let path = [module.clone(), vec![child.clone()]].concat();
        let leaf = format!("{child}.rs");
        if folder.join(&leaf).is_file() {
            read_module(folder, &leaf, path, files);
        } else {
            read_module(&folder.join(&child), "mod.rs", path, files);
        }
    }
    files.insert(module, text);
}

fn check(files: &BTreeMap<Module, String>) -> Vec<String> {
    let mut violations = Vec::new();
    // The root is the guidebook: it names whatever it likes.
    for (module, text) in files.iter().filter(|(module, _)| !module.is_empty()) {
        for path in source::paths(text) {
            if let Some(reason) = resolve(&path, module).and_then(|target| wrong(&target, module, files)) {
                violations.push(format!("{}: `{}` {reason}", module.join("::"), path.join("::")));
            }
        }
    }
    violations
}

/// The path from the crate's root; none for a `super` that leaves it.
fn resolve(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut base = if path[0] == "crate" { Vec::new() } else { module.to_vec() };
    let mut rest = path;
    while let [head, tail @ ..] = rest {
        match head.as_str() {
            "crate" | "self" => {}
            "super" => _ = base.pop()?,
            _ => break,
        }
        rest = tail;
    }
    base.extend_from_slice(rest);
    Some(base)
}

/// Why `module` may not name `target`, if it may not.
fn wrong(target: &[String], module: &[String], files: &BTreeMap<Module, String>) -> Option<String> {
    let shared = target.iter().zip(module).take_while(|(theirs, ours)| theirs == ours).count();
    if shared == module.len() {
        return None;
    }
    let siblings = source::modules(&files[&module[..shared]]);
    let place = |name: &String| siblings.iter().position(|sibling| sibling == name);
    match target.get(shared).and_then(place) {
        None if shared == 0 => Some("names lib.rs".to_owned()),
        None => Some(format!("names {}/mod.rs", module[..shared].join("/"))),
        Some(theirs) if Some(theirs) > place(&module[shared]) => {
            Some(format!("names a module declared below `{}`", module[shared]))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_crate(files: &[(&str, &str)], expected: &[&str]) {
        let files = files
            .iter()
            .map(|(module, text)| {
                let module = module.split("::").filter(|part| !part.is_empty()).map(String::from).collect();
                (module, (*text).to_owned())
            })
            .collect();
        assert_eq!(check(&files), expected);
    }

    const ROOT: (&str, &str) = ("", "mod error;\nmod schema;\nmod app;\n");
    const SCHEMA: (&str, &str) = ("schema", "mod template;\nmod rules;\npub use rules::Rules;\n");

    #[test]
    fn accepts_arrows_that_point_up_the_list() {
        let rules = ("schema::rules", "use super::template::Template; use crate::error::Error;");
        let app = ("app", "use crate::schema::Rules; fn f() -> crate::error::Error {}");
        check_crate(&[ROOT, SCHEMA, ("error", ""), ("schema::template", ""), rules, app], &[]);
    }

    #[test]
    fn refuses_a_module_below() {
        let error = ("error", "use crate::app::App;");
        check_crate(&[ROOT, error], &["error: `crate::app::App` names a module declared below `error`"]);
        let template = ("schema::template", "use super::rules::Rules;");
        let reason = "schema::template: `super::rules::Rules` names a module declared below `template`";
        check_crate(&[ROOT, SCHEMA, template], &[reason]);
        let template = ("schema::template", "use crate::schema::rules::Rules;");
        let reason =
            "schema::template: `crate::schema::rules::Rules` names a module declared below `template`";
        check_crate(&[ROOT, SCHEMA, template], &[reason]);
    }

    #[test]
    fn refuses_the_own_mod_rs() {
        let reason = "schema::rules: `super::Template` names schema/mod.rs";
        check_crate(&[ROOT, SCHEMA, ("schema::rules", "use super::Template;")], &[reason]);
        let reason = "schema::rules: `crate::schema::Template` names schema/mod.rs";
        check_crate(&[ROOT, SCHEMA, ("schema::rules", "use crate::schema::Template;")], &[reason]);
        let reason = "schema::rules: `super::*` names schema/mod.rs";
        check_crate(&[ROOT, SCHEMA, ("schema::rules", "use super::*;")], &[reason]);
    }

    #[test]
    fn refuses_the_root() {
        check_crate(&[ROOT, ("error", "use crate::Thing;")], &["error: `crate::Thing` names lib.rs"]);
    }
}
