//! Path templates: what is parsed, printed from its parts and parsed again is the same.

use std::fmt::Write;

use lastmile_edge::schema::template::{Segment, Template};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "template",
    run,
    words: &[b"/", b"*", b"**", b"{", b"}", b"{a.b=", b"=", b":verb", b"/v1/", b"{name=shelves/*}", b"%2F"],
};

fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(template) = Template::parse(text) else { return false };
    let printed = print(&template);
    let again =
        Template::parse(&printed).unwrap_or_else(|error| panic!("{text:?} became {printed:?}: {error}"));
    assert_eq!(again.segments, template.segments, "{text:?} became {printed:?}");
    assert_eq!(again.variables, template.variables, "{text:?} became {printed:?}");
    assert_eq!(again.verb, template.verb, "{text:?} became {printed:?}");
    true
}

fn print(template: &Template) -> String {
    let mut text = String::new();
    for (index, segment) in template.segments.iter().enumerate() {
        text.push('/');
        for variable in template.variables.iter().filter(|variable| variable.segments.start == index) {
            write!(text, "{{{}=", variable.field).expect("a string takes all");
        }
        match segment {
            Segment::Literal(literal) => text.extend(utf8_percent_encode(literal, NON_ALPHANUMERIC)),
            Segment::Single => text.push('*'),
            Segment::Multi => text.push_str("**"),
        }
        if template.variables.iter().any(|variable| variable.segments.end == index + 1) {
            text.push('}');
        }
    }
    if let Some(verb) = &template.verb {
        text.push(':');
        text.extend(utf8_percent_encode(verb, NON_ALPHANUMERIC));
    }
    text
}
