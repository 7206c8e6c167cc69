//! Joins what several upstreams declare into one set of files, or says what they do not agree on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use bytes::Bytes;

use super::declared::Declared;

/// What one upstream declares, and what the settings say of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    pub upstream: String,
    /// Encoded FileDescriptorProtos.
    pub files: Vec<Bytes>,
    /// The services it says it has; else all that its files declare.
    pub listed: Option<Vec<String>>,
    /// What of it is served, as names or `package.*`; everything when empty.
    pub services: Vec<String>,
    /// What is taken from here although others have it too.
    pub prefer: Vec<String>,
}

/// One set of files.
#[derive(Debug, Default)]
pub struct Merged {
    pub files: Vec<Bytes>,
    /// Which upstream serves a service, by its place.
    pub services: HashMap<String, usize>,
}

/// All that upstreams do not agree on, a sentence each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<String>);

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the upstreams do not agree:")?;
        self.0.iter().try_for_each(|conflict| write!(f, "\n  {conflict}"))
    }
}

impl std::error::Error for Conflicts {}

/// Every server has these for itself.
const INFRASTRUCTURE: [&str; 4] = ["grpc.health.", "grpc.reflection.", "grpc.channelz.", "grpc.lb."];
/// They come in many versions, each of which can do what older ones can.
const COMMON: [&str; 4] = ["google/protobuf/", "google/api/", "google/rpc/", "lastmile/edge/v1/"];

/// Joins the parts of all upstreams; none for one that has not been heard of. What the settings say that such a one
/// serves, its `claims`, nobody else is taken for meanwhile.
///
/// # Errors
/// Every service that several serve, and every file or symbol that is not the same everywhere.
pub fn merge(parts: &[Option<&Part>], claims: &[String]) -> Result<Merged, Conflicts> {
    let mut conflicts = Vec::new();
    let several = parts.len() > 1;
    let mut declared = Vec::new();
    for (place, part) in parts.iter().enumerate().filter_map(|(place, part)| Some((place, (*part)?))) {
        match part.declared(several) {
            Ok(files) => declared.push((place, part, files)),
            Err(error) => conflicts.push(format!("upstream `{}`: {error}", part.upstream)),
        }
    }
    let services = assign(&declared, claims, &mut conflicts);
    let files = join(&declared, &services, &mut conflicts);
    if conflicts.is_empty() { Ok(Merged { files, services }) } else { Err(Conflicts(conflicts)) }
}

type Parts<'a> = [(usize, &'a Part, Vec<Declared>)];

impl Part {
    fn declared(&self, several: bool) -> Result<Vec<Declared>, String> {
        let files = self.files.iter().cloned().map(Declared::parse).collect::<Result<Vec<_>, _>>()?;
        // Asked of an edge, nobody could tell whose health it is.
        let is_own = |file: &Declared| !several || !is_infrastructure(&format!("{}.", file.package));
        Ok(files.into_iter().filter(is_own).collect())
    }

    fn serves(&self, service: &str) -> bool {
        let is_listed = self.listed.as_ref().is_none_or(|listed| listed.iter().any(|name| name == service));
        is_listed && (self.services.is_empty() || names(&self.services, service))
    }
}

fn is_infrastructure(name: &str) -> bool {
    INFRASTRUCTURE.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether one of the patterns names the service: `acme.v1.Stock`, `acme.v1.*` or `*`.
fn names(patterns: &[String], service: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => (prefix.is_empty() || prefix.ends_with('.')) && service.starts_with(prefix),
        None => pattern == service,
    })
}

/// Says for each service who serves it.
fn assign(parts: &Parts<'_>, reserved: &[String], conflicts: &mut Vec<String>) -> HashMap<String, usize> {
    let mut claims: BTreeMap<&str, Vec<(usize, &Part)>> = BTreeMap::new();
    for (place, part, files) in parts {
        for service in files.iter().flat_map(|file| &file.services).filter(|service| part.serves(service)) {
            claims.entry(service).or_default().push((*place, part));
        }
        // A pattern that names nothing is a mistake that would else be a 404.
        let declares = |pattern: &&String| {
            let one = std::slice::from_ref(*pattern);
            files.iter().flat_map(|file| &file.services).any(|service| names(one, service))
        };
        for pattern in part.services.iter().filter(|pattern| !declares(pattern)) {
            conflicts.push(format!("upstream `{}`: services: it has no `{pattern}`", part.upstream));
        }
    }
    let mut services = HashMap::new();
    for (service, claimants) in claims.into_iter().filter(|(service, _)| !names(reserved, service)) {
        let preferred: Vec<_> = claimants.iter().filter(|(_, part)| names(&part.prefer, service)).collect();
        match (claimants.as_slice(), preferred.as_slice()) {
            ([(place, _)], _) | (_, [(place, _)]) => _ = services.insert(service.to_owned(), *place),
            _ => conflicts.push(format!(
                "service `{service}` is served by {}; name it in `services` or `prefer` of one of them",
                quoted(claimants.iter().map(|(_, part)| part.upstream.as_str()))
            )),
        }
    }
    services
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// Takes each file once.
fn join(parts: &Parts<'_>, services: &HashMap<String, usize>, conflicts: &mut Vec<String>) -> Vec<Bytes> {
    let mut kept: BTreeMap<&str, (&Part, &Declared)> = BTreeMap::new();
    for (place, part, files) in parts {
        let needed = needed(*place, part, files, services);
        for file in files.iter().filter(|file| needed.contains(file.name.as_str())) {
            match kept.get(file.name.as_str()) {
                None => _ = kept.insert(&file.name, (part, file)),
                Some((other_part, _)) if std::ptr::eq(*other_part, *part) => {}
                Some((other_part, other)) => {
                    let is_common = COMMON.iter().any(|folder| file.name.starts_with(folder));
                    if !is_common && !file.is_same(other) {
                        conflicts.push(differ(part, file, other_part, other));
                    } else if (file.size(), file.encoded.len()) > (other.size(), other.encoded.len()) {
                        // The newest of the common ones, and the one with comments of the others.
                        kept.insert(&file.name, (part, file));
                    }
                }
            }
        }
    }
    find_homonyms(&kept, conflicts);
    kept.into_values().map(|(_, file)| file.encoded.clone()).collect()
}

fn differ(part: &Part, file: &Declared, other_part: &Part, other: &Declared) -> String {
    let what = other.difference(file).map_or("its imports or options".to_owned(), |name| format!("`{name}`"));
    format!(
        "file `{}` is not the same at `{}` and `{}`: {what} differs; give both one version, or say in `services` \
         what each serves",
        file.name, other_part.upstream, part.upstream
    )
}

/// The files that declare what the upstream serves, with their imports. Files without services may hold types of `Any`,
/// so they stay where nobody chose.
fn needed<'a>(
    place: usize,
    part: &Part,
    files: &'a [Declared],
    services: &HashMap<String, usize>,
) -> BTreeSet<&'a str> {
    let by_name: HashMap<&str, &Declared> = files.iter().map(|file| (file.name.as_str(), file)).collect();
    let is_root = |file: &&Declared| {
        file.services.iter().any(|service| services.get(service) == Some(&place))
            || (file.services.is_empty() && part.services.is_empty())
    };
    let mut needed = BTreeSet::new();
    let mut waiting: Vec<&Declared> = files.iter().filter(is_root).collect();
    while let Some(file) = waiting.pop() {
        if needed.insert(file.name.as_str()) {
            waiting.extend(file.imports.iter().filter_map(|import| by_name.get(import.as_str())));
        }
    }
    needed
}

/// One name that different files of different upstreams declare.
fn find_homonyms(kept: &BTreeMap<&str, (&Part, &Declared)>, conflicts: &mut Vec<String>) {
    let mut symbols: HashMap<String, (&Part, &Declared)> = HashMap::new();
    for (part, file) in kept.values() {
        for symbol in file.symbols() {
            match symbols.get(&symbol) {
                Some((other_part, other)) if other_part.upstream != part.upstream => conflicts.push(format!(
                    "`{symbol}` is declared in `{}` of `{}` and in `{}` of `{}`; give both one version",
                    other.name, other_part.upstream, file.name, part.upstream
                )),
                _ => _ = symbols.insert(symbol, (part, file)),
            }
        }
    }
}
