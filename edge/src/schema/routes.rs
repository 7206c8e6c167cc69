//! Finds the binding of a request path: literals before `*` before `**`, whatever the order of declaration.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::percent::{self, BadPercent};
use super::template::{Segment, Template, Variable};

/// A routing table from path and HTTP method to `T`.
#[derive(Debug)]
pub struct Routes<T> {
    root: Node,
    entries: Vec<Entry<T>>,
    /// Every verb of a template.
    verbs: HashSet<String>,
}

#[derive(Debug)]
struct Entry<T> {
    method: String,
    template: Template,
    value: T,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, Self>,
    single: Option<Box<Self>>,
    multi: Option<Box<Self>>,
    /// Indices of the entries that end here.
    entries: Vec<usize>,
}

/// What stands at a path.
#[derive(Debug)]
pub enum Found<'a, T> {
    Route(Route<'a, T>),
    /// The path exists, but not with this method; these exist.
    OtherMethods(Vec<&'a str>),
    Nothing,
}

/// A matched entry with the values of its variables, percent-decoded.
#[derive(Debug)]
pub struct Route<'a, T> {
    pub value: &'a T,
    /// One per variable of the template, in its order.
    pub variables: Vec<String>,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { root: Node::default(), entries: Vec::new(), verbs: HashSet::new() }
    }
}

impl<T> Routes<T> {
    /// Adds an entry; gives back the one that already stands on the same paths with the same method.
    pub fn insert(&mut self, method: &str, template: Template, value: T) -> Result<(), &T> {
        let mut node = &mut self.root;
        for segment in &template.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::Single => node.single.get_or_insert_default(),
                Segment::Multi => node.multi.get_or_insert_default(),
            };
        }
        let entries = &self.entries;
        let same = |index: &usize| {
            entries[*index].method == method && entries[*index].template.verb == template.verb
        };
        if let Some(index) = node.entries.iter().copied().find(|index| same(index)) {
            return Err(&self.entries[index].value);
        }
        self.verbs.extend(template.verb.clone());
        node.entries.push(self.entries.len());
        self.entries.push(Entry { method: method.to_owned(), template, value });
        Ok(())
    }

    /// Finds what answers `method` at `path`, the raw path of the request without its query.
    pub fn find(&self, method: &str, path: &str) -> Result<Found<'_, T>, BadPercent> {
        let mut raw: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        // A colon in the last segment begins a verb only where that verb is registered, else it is part of the value.
        if let Some(last) = raw.pop() {
            if let Some((head, verb)) = last.rsplit_once(':')
                && let Some(verb) = self.verbs.get(&*decoded(verb)?)
            {
                raw.push(head);
                let found = self.search(method, &raw, Some(verb))?;
                if !matches!(found, Found::Nothing) {
                    return Ok(found);
                }
                raw.pop();
            }
            raw.push(last);
        }
        self.search(method, &raw, None)
    }

    fn search(&self, method: &str, raw: &[&str], verb: Option<&str>) -> Result<Found<'_, T>, BadPercent> {
        // Decoded only now: an escaped slash or colon is part of a value.
        if raw.iter().any(|segment| segment.contains('%')) {
            let segments = raw.iter().map(|segment| decoded(segment)).collect::<Result<Vec<_>, _>>()?;
            return self.search_decoded(method, raw, &segments, verb);
        }
        self.search_decoded(method, raw, raw, verb)
    }

    fn search_decoded(
        &self,
        method: &str,
        raw: &[&str],
        segments: &[impl AsRef<str>],
        verb: Option<&str>,
    ) -> Result<Found<'_, T>, BadPercent> {
        let mut others = Vec::new();
        let mut accept = |node: &Node| {
            let here = node.entries.iter().map(|index| &self.entries[*index]);
            let here = here.filter(|entry| entry.template.verb.as_deref() == verb);
            let answers = here.clone().filter_map(|entry| Some((rank(&entry.method, method)?, entry)));
            let best = answers.min_by_key(|(rank, _)| *rank);
            if best.is_none() {
                others.extend(here.map(|entry| entry.method.as_str()));
            }
            best.map(|(_, entry)| entry)
        };
        let mut ends = Vec::with_capacity(raw.len());
        if let Some(entry) = walk(&self.root, segments, 0, &mut ends, &mut accept) {
            let variables = variables(&entry.template, raw, &ends)?;
            return Ok(Found::Route(Route { value: &entry.value, variables }));
        }
        others.sort_unstable();
        others.dedup();
        Ok(if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) })
    }
}

/// How well an entry's method answers a request's; less is better. HEAD is answered by GET (RFC 9110, section 9.3.2).
fn rank(entry: &str, request: &str) -> Option<u8> {
    match entry {
        _ if entry == request => Some(0),
        "GET" if request == "HEAD" => Some(1),
        "*" => Some(2),
        _ => None,
    }
}

/// The values of a template's variables; `ends[k]` is where its k-th segment ends in the path.
fn variables(template: &Template, raw: &[&str], ends: &[usize]) -> Result<Vec<String>, BadPercent> {
    let value = |variable: &Variable| {
        let start = variable.segments.start.checked_sub(1).map_or(0, |index| ends[index]);
        let end = ends[variable.segments.end - 1];
        let decode =
            if template.is_multi(variable) { percent::decode_keeping_slashes } else { percent::decode };
        if let [segment] = raw[start..end] {
            return decode(segment);
        }
        let parts = raw[start..end].iter().map(|segment| decode(segment));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.join("/"))
    };
    template.variables.iter().map(value).collect()
}

fn decoded(segment: &str) -> Result<Cow<'_, str>, BadPercent> {
    if segment.contains('%') { percent::decode(segment).map(Cow::Owned) } else { Ok(Cow::Borrowed(segment)) }
}

/// Depth first, with full backtracking. `ends[k]` is where the k-th template segment ends in the path, of what is found.
fn walk<R>(
    node: &Node,
    path: &[impl AsRef<str>],
    at: usize,
    ends: &mut Vec<usize>,
    accept: &mut impl FnMut(&Node) -> Option<R>,
) -> Option<R> {
    if at == path.len()
        && let Some(found) = accept(node)
    {
        return Some(found);
    }
    let mut step = |child: &Node, next: usize, ends: &mut Vec<usize>| {
        ends.push(next);
        let found = walk(child, path, next, ends, accept);
        if found.is_none() {
            ends.pop();
        }
        found
    };
    if let Some(segment) = path.get(at).map(AsRef::as_ref) {
        if let Some(child) = node.literals.get(segment)
            && let Some(found) = step(child, at + 1, ends)
        {
            return Some(found);
        }
        if let Some(child) = node.single.as_deref().filter(|_| !segment.is_empty())
            && let Some(found) = step(child, at + 1, ends)
        {
            return Some(found);
        }
    }
    let child = node.multi.as_deref()?;
    // Shortest first, so that literals behind `**` win over its end.
    (at..=path.len()).find_map(|next| step(child, next, ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(rows: &[(&str, &str)]) -> Routes<String> {
        let mut routes = Routes::default();
        for (method, template) in rows {
            let value = format!("{method} {template}");
            routes.insert(method, Template::parse(template).unwrap(), value).unwrap();
        }
        routes
    }

    fn check(routes: &Routes<String>, request: (&str, &str), expected: &str) {
        let found = match routes.find(request.0, request.1) {
            Ok(Found::Route(route)) => format!("{} {:?}", route.value, route.variables),
            Ok(Found::OtherMethods(methods)) => format!("405 {methods:?}"),
            Ok(Found::Nothing) => "404".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{request:?}");
    }

    #[test]
    fn the_most_literal_template_wins() {
        let rows = [
            ("GET", "/v1/users/{id}"),
            ("GET", "/v1/users/me"),
            ("POST", "/v1/users/search"),
            ("GET", "/v1/users:watch"),
            ("GET", "/v1/{name=files/**}"),
            ("GET", "/v1/{name=files/**}/meta"),
            ("POST", "/v1/topics/{topic}:commit"),
            ("*", "/any"),
            ("PURGE", "/any"),
            ("HEAD", "/head"),
            ("GET", "/head"),
            ("DELETE", "/v1/topics/{topic}"),
        ];
        let mut reversed = rows;
        reversed.reverse();
        for routes in [routes(&rows), routes(&reversed)] {
            check(&routes, ("GET", "/v1/users/me"), "GET /v1/users/me []");
            check(&routes, ("GET", "/v1/users/7"), r#"GET /v1/users/{id} ["7"]"#);
            check(&routes, ("GET", "/v1/users/search"), r#"GET /v1/users/{id} ["search"]"#);
            check(&routes, ("GET", "/v1/users:watch"), "GET /v1/users:watch []");
            check(&routes, ("GET", "/v1/users/a:b"), r#"GET /v1/users/{id} ["a:b"]"#);
            check(&routes, ("POST", "/v1/topics/a:b:commit"), r#"POST /v1/topics/{topic}:commit ["a:b"]"#);
            check(&routes, ("GET", "/v1/files/a/b%2Fc"), r#"GET /v1/{name=files/**} ["files/a/b%2Fc"]"#);
            check(&routes, ("GET", "/v1/files/a/meta"), r#"GET /v1/{name=files/**}/meta ["files/a"]"#);
            check(&routes, ("GET", "/v1/files"), r#"GET /v1/{name=files/**} ["files"]"#);
            check(&routes, ("DELETE", "/any"), "* /any []");
            check(&routes, ("OPTIONS", "/any"), "* /any []");
            check(&routes, ("PURGE", "/any"), "PURGE /any []");
            check(&routes, ("HEAD", "/head"), "HEAD /head []");
            check(&routes, ("HEAD", "/v1/users/me"), "GET /v1/users/me []");
            // What is a verb on this path is never taken for the end of a name.
            check(&routes, ("DELETE", "/v1/topics/a:commit"), r#"405 ["POST"]"#);
            check(&routes, ("DELETE", "/v1/topics/a%3Acommit"), r#"DELETE /v1/topics/{topic} ["a:commit"]"#);
            check(&routes, ("DELETE", "/v1/topics/a:watch"), r#"DELETE /v1/topics/{topic} ["a:watch"]"#);
            check(&routes, ("POST", "/v1/topics/a:c%6Fmmit"), r#"POST /v1/topics/{topic}:commit ["a"]"#);
            check(&routes, ("GET", "/v1/users/:watch"), r#"GET /v1/users/{id} [":watch"]"#);
            check(&routes, ("GET", "/v1/files//a/"), r#"GET /v1/{name=files/**} ["files//a/"]"#);
            check(&routes, ("GET", "/v1//users/me"), "404");
        }
    }

    #[test]
    fn a_miss_names_the_methods_that_exist() {
        let routes = routes(&[("GET", "/a/{b}"), ("POST", "/a/c")]);
        check(&routes, ("PUT", "/a/c"), r#"405 ["GET", "POST"]"#);
        check(&routes, ("PUT", "/a/d"), r#"405 ["GET"]"#);
        check(&routes, ("GET", "/a"), "404");
        check(&routes, ("GET", "/a/"), "404");
        check(&routes, ("GET", "/a/b/"), "404");
    }

    #[test]
    fn decodes_after_splitting() {
        let routes = routes(&[("GET", "/a/{b}")]);
        check(&routes, ("GET", "/a/x%2Fy"), r#"GET /a/{b} ["x/y"]"#);
        check(&routes, ("GET", "/a/x+y%20z"), r#"GET /a/{b} ["x+y z"]"#);
        check(&routes, ("GET", "/%61/x"), r#"GET /a/{b} ["x"]"#);
        for bad in ["%zz", "%2", "%", "%c0%af", "%00"] {
            let expected = format!("bad percent-encoding in `{bad}`");
            check(&routes, ("GET", &format!("/a/{bad}")), &expected);
        }
    }

    #[test]
    fn a_duplicate_is_refused() {
        let mut routes = routes(&[("GET", "/a/{b}:c")]);
        assert!(routes.insert("GET", Template::parse("/a/{x}:c").unwrap(), String::new()).is_err());
        assert!(routes.insert("GET", Template::parse("/a/{x}").unwrap(), String::new()).is_ok());
        assert!(routes.insert("GET", Template::parse("/{y=a/*}").unwrap(), String::new()).is_err());
        assert!(routes.insert("GET", Template::parse("/{y=a/**}").unwrap(), String::new()).is_ok());
    }
}
