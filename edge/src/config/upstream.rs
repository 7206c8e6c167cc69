//! Settings of the backends: where they are, how they are reached, what they serve.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One backend: a table `[[upstream]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamConfig {
    /// What logs and errors call it; its first URL when left out.
    pub name: Option<String>,
    /// One URL, or several of equal processes that share the calls.
    #[serde(deserialize_with = "one_or_several")]
    pub url: Vec<String>,
    /// What of it is served, such as `acme.v1.StockService` or `acme.v1.*`; everything when empty.
    pub services: Vec<String>,
    /// Services that come from here although other upstreams serve them too.
    pub prefer: Vec<String>,
    /// Its encoded FileDescriptorSet, instead of reflection.
    pub descriptors: Option<PathBuf>,
    /// Metadata of every call to it, in place of what the caller sends; `${NAME}` is a variable of the environment.
    pub headers: BTreeMap<String, HeaderText>,
    /// The edge's own token for it, with which it opens the streams that callers share (`SCOPE_AUTHORIZED`); `${NAME}` is
    /// a variable of the environment. Without it each caller has a stream of its own.
    pub credential: Option<HeaderText>,
    /// Longest a unary call to it may take.
    #[serde(with = "humantime_serde")]
    pub timeout: Option<Duration>,
    /// Silence after which a connection with open calls is pinged. gRPC servers close connections that are pinged more
    /// often than every 5 minutes, unless they are told otherwise.
    #[serde(with = "humantime_serde")]
    pub keepalive: Duration,
    /// Calls that one connection carries at once; more of them open a further one.
    pub max_streams: usize,
    pub tls: TlsConfig,
    pub breaker: BreakerConfig,
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            name: None,
            url: Vec::new(),
            services: Vec::new(),
            prefer: Vec::new(),
            descriptors: None,
            headers: BTreeMap::new(),
            credential: None,
            timeout: None,
            keepalive: Duration::from_secs(330),
            // What every server should allow (RFC 9113, section 6.5.2). Above a server's limit calls would wait behind
            // streams that never end.
            max_streams: 100,
            tls: TlsConfig::default(),
            breaker: BreakerConfig::default(),
        }
    }
}

impl UpstreamConfig {
    /// What logs and errors call it.
    pub fn name(&self) -> &str {
        self.name.as_ref().or(self.url.first()).map_or("unnamed", String::as_str)
    }
}

/// How `https` URLs are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the authorities to trust, instead of the machine's own.
    pub ca: Option<PathBuf>,
    /// PEM file of the certificate that the edge shows.
    pub cert: Option<PathBuf>,
    /// PEM file of its key.
    pub key: Option<PathBuf>,
    /// The name in the backend's certificate; the URL's host when left out.
    pub server_name: Option<String>,
}

/// When calls are kept from a process that fails them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    pub enabled: bool,
    /// Of all calls in the window, the share that fails, from 0 to 1.
    pub failure_rate: f64,
    /// Fewer calls than this in the window say nothing.
    pub minimum_calls: u32,
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// How long no call is let through, at first; doubled when the trials fail, up to 16 times this.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
    /// Calls that then have to go well.
    pub trials: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            failure_rate: 0.5,
            minimum_calls: 20,
            window: Duration::from_secs(10),
            pause: Duration::from_secs(5),
            trials: 3,
        }
    }
}

/// The text of a header, which may be a secret: only the names of variables in it are ever shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct HeaderText(pub String);

impl fmt::Debug for HeaderText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for HeaderText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl HeaderText {
    fn shown(&self) -> &str {
        let is_variable = self.0.starts_with("${") && self.0.find('}') == Some(self.0.len() - 1);
        if is_variable { &self.0 } else { "(hidden)" }
    }
}

/// All backends: tables, or the URLs of one.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Upstreams(pub Vec<UpstreamConfig>);

impl<'de> Deserialize<'de> for Upstreams {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UpstreamsVisitor)
    }
}

struct UpstreamsVisitor;

impl<'de> Visitor<'de> for UpstreamsVisitor {
    type Value = Upstreams;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tables `[[upstream]]` or a list of URLs")
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<Upstreams, E> {
        Ok(equal(vec![url.to_owned()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Upstreams, A::Error> {
        UpstreamConfig::deserialize(MapAccessDeserializer::new(map)).map(|one| Upstreams(vec![one]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Upstreams, A::Error> {
        let (mut urls, mut tables) = (Vec::new(), Vec::new());
        while let Some(entry) = seq.next_element()? {
            match entry {
                Entry::Url(url) => urls.push(url),
                Entry::Table(table) => tables.push(*table),
            }
        }
        match (urls.is_empty(), tables.is_empty()) {
            (false, false) => Err(A::Error::custom("upstream: give either URLs or tables, not both")),
            (false, true) => Ok(equal(urls)),
            _ => Ok(Upstreams(tables)),
        }
    }
}

fn equal(url: Vec<String>) -> Upstreams {
    Upstreams(vec![UpstreamConfig { url, ..UpstreamConfig::default() }])
}

enum Entry {
    Url(String),
    Table(Box<UpstreamConfig>),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// By hand, because an untagged enum would lose which key is unknown.
struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL or a table")
    }

    fn visit_str<E: Error>(self, url: &str) -> Result<Entry, E> {
        Ok(Entry::Url(url.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
        UpstreamConfig::deserialize(MapAccessDeserializer::new(map))
            .map(|table| Entry::Table(Box::new(table)))
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Urls {
        One(String),
        Several(Vec<String>),
    }
    Urls::deserialize(deserializer).map(|urls| match urls {
        Urls::One(url) => vec![url],
        Urls::Several(urls) => urls,
    })
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Settings {
        upstream: Upstreams,
    }

    fn read(toml: &str) -> Result<Vec<UpstreamConfig>, String> {
        let settings = Figment::from(Toml::string(toml)).extract::<Settings>();
        settings.map(|settings| settings.upstream.0).map_err(|error| error.to_string())
    }

    #[test]
    fn urls_are_one_upstream_and_tables_are_several() {
        for (toml, expected) in [
            ("upstream = 'http://a:1'", vec![vec!["http://a:1"]]),
            ("upstream = ['http://a:1', 'b:2']", vec![vec!["http://a:1", "b:2"]]),
            (
                "[[upstream]]\nurl = 'a:1'\n[[upstream]]\nurl = ['b:1', 'b:2']",
                vec![vec!["a:1"], vec!["b:1", "b:2"]],
            ),
            ("[upstream]\nurl = 'a:1'", vec![vec!["a:1"]]),
            ("upstream = []", vec![]),
        ] {
            let urls: Vec<Vec<String>> = read(toml).unwrap().into_iter().map(|one| one.url).collect();
            assert_eq!(urls, expected, "{toml}");
        }
        let error = read("[[upstream]]\nurl = 'a'\nmax_stream = 3").unwrap_err();
        assert!(error.contains("max_stream") && error.contains("max_streams"), "{error}");
        assert!(read("upstream = [{ url = 'a' }, 'b']").unwrap_err().contains("not both"));
        assert!(read("upstream = [3]").unwrap_err().contains("a URL or a table"));
    }

    #[test]
    fn header_values_are_never_shown() {
        let toml =
            "[[upstream]]\nurl = 'a'\nheaders = { x-key = 's3cret', x-token = '${TOKEN}', x = '${A}b}' }";
        let upstreams = read(toml).unwrap();
        let shown = format!("{upstreams:?} {}", serde_json::to_string(&upstreams).unwrap());
        assert!(!shown.contains("s3cret") && !shown.contains("b}"), "{shown}");
        assert!(shown.contains("${TOKEN}"), "{shown}");
    }
}
