//! Path templates of `google.api.http` (http.proto, "Path template syntax").

use std::fmt;

use super::percent;

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Literal(String),
    /// `*`: exactly one segment, not empty.
    Single,
    /// `**`: any number of segments.
    Multi,
}

/// A field bound to a run of segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Field path such as `user.id`.
    pub field: String,
    /// Indices into the template's segments.
    pub segments: std::ops::Range<usize>,
}

/// A parsed template such as `/v1/{name=shelves/*}/books/{book}:publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub segments: Vec<Segment>,
    pub variables: Vec<Variable>,
    pub verb: Option<String>,
    text: String,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path template `{template}`: {problem}")]
pub struct TemplateError {
    template: String,
    problem: String,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { rest: text, segments: Vec::new(), variables: Vec::new() };
        let verb = parser
            .template()
            .map_err(|problem| TemplateError { template: text.to_owned(), problem: problem.to_owned() })?;
        Ok(Self { segments: parser.segments, variables: parser.variables, verb, text: text.to_owned() })
    }

    /// Whether this variable may span several segments; then `%2F` stays encoded in its value.
    pub fn is_multi(&self, variable: &Variable) -> bool {
        variable.segments.len() > 1 || self.segments[variable.segments.clone()].contains(&Segment::Multi)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Parser<'a> {
    rest: &'a str,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl Parser<'_> {
    fn template(&mut self) -> Result<Option<String>, &'static str> {
        if !self.eat("/") {
            return Err("must begin with `/`");
        }
        if self.rest.is_empty() {
            self.segments.push(Segment::Literal(String::new()));
            return Ok(None);
        }
        self.run(true)?;
        let verb = if self.eat(":") { Some(self.literal()?) } else { None };
        if !self.rest.is_empty() {
            return Err("unexpected characters at the end");
        }
        if self.segments.iter().filter(|segment| **segment == Segment::Multi).count() > 1 {
            return Err("`**` may stand only once");
        }
        Ok(verb)
    }

    fn run(&mut self, variables: bool) -> Result<(), &'static str> {
        loop {
            if self.eat("**") {
                self.segments.push(Segment::Multi);
            } else if self.eat("*") {
                self.segments.push(Segment::Single);
            } else if self.rest.starts_with('{') {
                if !variables {
                    return Err("a variable cannot hold another");
                }
                self.variable()?;
            } else {
                let literal = self.literal()?;
                self.segments.push(Segment::Literal(literal));
            }
            if !self.eat("/") {
                return Ok(());
            }
        }
    }

    fn variable(&mut self) -> Result<(), &'static str> {
        self.eat("{");
        let end = self.rest.find(['=', '}']).ok_or("`{` without `}`")?;
        let field = self.rest[..end].to_owned();
        let is_path = field.split('.').all(|name| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if !is_path {
            return Err("a variable must be a field path such as `user.id`");
        }
        if self.variables.iter().any(|other| other.field == field) {
            return Err("a variable may stand only once");
        }
        self.rest = &self.rest[end..];
        let start = self.segments.len();
        if self.eat("=") {
            self.run(false)?;
        } else {
            self.segments.push(Segment::Single);
        }
        if !self.eat("}") {
            return Err("`{` without `}`");
        }
        self.variables.push(Variable { field, segments: start..self.segments.len() });
        Ok(())
    }

    fn literal(&mut self) -> Result<String, &'static str> {
        let end = self.rest.find(['/', ':', '{', '}', '*', '=']).unwrap_or(self.rest.len());
        if end == 0 {
            return Err("an empty segment or verb");
        }
        let literal = &self.rest[..end];
        if literal.contains(|c: char| c.is_ascii_control() || matches!(c, '?' | '#' | ' ')) {
            return Err("`?`, `#`, spaces and control characters cannot stand in a path");
        }
        self.rest = &self.rest[end..];
        // Compared with decoded segments.
        percent::decode(literal).map_err(|_| "a broken percent-escape")
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_http_proto_allows() {
        let template = Template::parse("/v1/{name=shelves/*/b/**}/x/{user.id}:publish").unwrap();
        assert_eq!(template.segments.len(), 7);
        assert_eq!(template.verb.as_deref(), Some("publish"));
        assert_eq!(template.variables[0], Variable { field: "name".into(), segments: 1..5 });
        assert_eq!(template.variables[1], Variable { field: "user.id".into(), segments: 6..7 });
        assert!(template.is_multi(&template.variables[0]));
        assert!(!template.is_multi(&template.variables[1]));
        for text in ["/", "/v1/*", "/v1/**", "/v1/a:b", "/v1/{a}", "/{a=**}/b:c", "/a/{_b.c1=*}"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
        let escaped = Template::parse("/caf%C3%A9").unwrap();
        assert_eq!(escaped.segments, [Segment::Literal("café".into())]);
        assert_eq!(escaped.to_string(), "/caf%C3%A9");
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "v1",
            "//",
            "/v1/",
            "/v1/{a",
            "/v1/{a={b}}",
            "/{a}/{a}",
            "/{1}",
            "/{}",
            "/**/{a=**}",
            "/a:",
            "/a:b/c",
            "/a}b",
            "/a?b",
            "/a#b",
            "/a b",
            "/%zz",
            "/{a=}",
            "/{a=*/}",
            "/***",
            "/a*",
            "/{a.}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
