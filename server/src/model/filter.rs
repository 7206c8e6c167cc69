//! The filter of ListUsers: `name:"ali" AND role=admin`.

use crate::error::head;

/// Terms that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// The terms; none admits every user.
    pub terms: Vec<Term>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// The field contains the text, in any case.
    Contains(FilterField, String),
    /// The field (or one of the tags) equals the text.
    Equals(FilterField, String),
}

/// A field a term may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterField {
    /// Display name.
    Name,
    /// Login name.
    Username,
    /// Mail address.
    Email,
    /// Role.
    Role,
    /// Any of the tags.
    Tag,
}

const FIELDS: [(&str, FilterField); 5] = [
    ("name", FilterField::Name),
    ("username", FilterField::Username),
    ("email", FilterField::Email),
    ("role", FilterField::Role),
    ("tag", FilterField::Tag),
];

impl UserFilter {
    /// Parses the text of a filter.
    ///
    /// # Errors
    /// A sentence that says where the text breaks and what could stand there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let mut terms = Vec::new();
        while !rest.is_empty() {
            if !terms.is_empty() {
                rest = rest
                    .strip_prefix("AND ")
                    .ok_or_else(|| format!("`AND` and another term must follow, not {:?}", head(rest)))?
                    .trim_start();
            }
            let (term, after) = parse_term(rest)?;
            terms.push(term);
            rest = after.trim_start();
        }
        Ok(Self { terms })
    }
}

fn parse_term(text: &str) -> Result<(Term, &str), String> {
    let end = text.find([':', '=']).ok_or_else(|| {
        let text = head(text);
        format!("a term is FIELD:VALUE (contains) or FIELD=VALUE (equals); {text:?} has neither `:` nor `=`")
    })?;
    let name = text[..end].trim_end();
    let field = FIELDS
        .iter()
        .find_map(|(known, field)| (*known == name).then_some(*field))
        .ok_or_else(|| format!("{:?} is none of name, username, email, role, tag", head(name)))?;
    let (value, rest) = parse_value(text[end + 1..].trim_start())?;
    let term =
        if text[end..].starts_with(':') { Term::Contains(field, value) } else { Term::Equals(field, value) };
    Ok((term, rest))
}

fn parse_value(text: &str) -> Result<(String, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        return parse_quoted(quoted);
    }
    let plain = |char: char| char.is_ascii_alphanumeric() || "._@-".contains(char);
    let end = text.find(|char| !plain(char)).unwrap_or(text.len());
    match &text[..end] {
        "" => {
            Err("a value is missing; values with other characters than [A-Za-z0-9._@-] need double quotes"
                .into())
        }
        value => Ok((value.to_owned(), &text[end..])),
    }
}

fn parse_quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => return Err("only \\\" and \\\\ are escapes".to_owned()),
            },
            char => value.push(char),
        }
    }
    Err("a double quote is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::FilterField::{Name, Role, Tag};
    use super::*;

    #[test]
    fn filters_are_read() {
        let contains = |field, value: &str| Term::Contains(field, value.to_owned());
        let equals = |field, value: &str| Term::Equals(field, value.to_owned());
        for (text, terms) in [
            ("", vec![]),
            ("  ", vec![]),
            ("role=admin", vec![equals(Role, "admin")]),
            (r#"name:"ali ce" AND tag=x"#, vec![contains(Name, "ali ce"), equals(Tag, "x")]),
            (r#"name = "a\"b\\""#, vec![equals(Name, r#"a"b\"#)]),
            (r#"name:"""#, vec![contains(Name, "")]),
        ] {
            assert_eq!(UserFilter::parse(text), Ok(UserFilter { terms }), "{text}");
        }
    }

    #[test]
    fn broken_filters_say_why() {
        for (text, hint) in [
            ("alice", "neither"),
            ("age=3", "none of name"),
            ("name=", "missing"),
            (r#"name="a"#, "not closed"),
            (r#"name="\n""#, "escapes"),
            ("role=admin tag=x", "AND"),
            ("role=admin AND", "AND"),
            ("name=a;DROP", "AND"),
        ] {
            let error = UserFilter::parse(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
