//! Templates as OpenAPI paths, whose parameters are single segments.

use crate::schema::template::{Segment, Template};

/// A template cut into what stands fixed and what callers fill in.
#[derive(Debug)]
pub struct Outline {
    template: Template,
    pub holes: Vec<Hole>,
}

/// A segment that callers fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// Which segment of the template it is.
    segment: usize,
    /// Which variable of the template it is a part of.
    pub variable: Option<usize>,
    /// It is all of the variable.
    pub is_whole: bool,
    /// It may hold several segments, or none.
    pub is_multi: bool,
}

impl Outline {
    pub fn of(template: Template) -> Self {
        let mut holes = Vec::new();
        for (index, segment) in template.segments.iter().enumerate() {
            if matches!(segment, Segment::Literal(_)) {
                continue;
            }
            let variable = template.variables.iter().position(|variable| variable.segments.contains(&index));
            let is_whole = variable.is_some_and(|index| template.variables[index].segments.len() == 1);
            let is_multi = *segment == Segment::Multi;
            holes.push(Hole { segment: index, variable, is_whole, is_multi });
        }
        Self { template, holes }
    }

    /// What the holes are called, each once; `variables` are the names of the variables.
    pub fn names(&self, variables: &[String]) -> Vec<String> {
        let name = |(index, hole): (usize, &Hole)| {
            let mates = |other: &&Hole| other.variable == hole.variable;
            let number = self.holes[..index].iter().filter(mates).count() + 1;
            let name = hole.variable.map_or("segment", |variable| variables[variable].as_str());
            let is_alone = self.holes.iter().filter(mates).count() == 1;
            if is_alone { name.to_owned() } else { format!("{name}_{number}") }
        };
        self.holes.iter().enumerate().map(name).collect()
    }

    /// The path with these names in its holes. Paths that differ only there are one path in OpenAPI.
    pub fn path(&self, names: &[String]) -> String {
        let verb = self.template.verb.as_ref().map(|verb| format!(":{verb}")).unwrap_or_default();
        let segments = 0..self.template.segments.len();
        segments.map(|index| format!("/{}", self.segment(index, names))).collect::<String>() + &verb
    }

    /// How a variable is put together from its holes, such as `shelves/{name_1}/files/{name_2}`.
    pub fn composition(&self, variable: usize, names: &[String]) -> String {
        let segments = self.template.variables[variable].segments.clone();
        segments.map(|index| self.segment(index, names)).collect::<Vec<_>>().join("/")
    }

    fn segment(&self, index: usize, names: &[String]) -> String {
        if let Segment::Literal(text) = &self.template.segments[index] {
            return text.clone();
        }
        let hole = self.holes.iter().position(|hole| hole.segment == index);
        hole.map_or_else(String::new, |hole| format!("{{{}}}", names[hole]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, variables: &[&str], expected: &str) {
        let outline = Outline::of(Template::parse(template).unwrap());
        let names = outline.names(&variables.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(outline.path(&names), expected, "{template}");
    }

    #[test]
    fn variables_become_segments() {
        check("/v1/users/{id}", &["id"], "/v1/users/{id}");
        check("/v1/{parent=shelves/*}/items", &["parent"], "/v1/shelves/{parent}/items");
        check("/v1/{name=shelves/*/files/**}:read", &["name"], "/v1/shelves/{name_1}/files/{name_2}:read");
        check("/v1/*/{user.id}/**", &["user.id"], "/v1/{segment_1}/{user.id}/{segment_2}");
        check("/v1/{name=shelves}/items", &["name"], "/v1/shelves/items");
        check("/", &[], "/");
    }

    #[test]
    fn a_variable_is_told_from_its_segments() {
        let outline = Outline::of(Template::parse("/v1/{name=shelves/*/files/**}").unwrap());
        let names = outline.names(&["name".into()]);
        assert_eq!(outline.composition(0, &names), "shelves/{name_1}/files/{name_2}");
    }
}
