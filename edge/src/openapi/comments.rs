//! The comments of proto files, where the descriptors still hold them: reflection often leaves them out.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};
use prost_types::source_code_info::Location;

/// Comments by file and by the path of what they stand at (descriptor.proto, SourceCodeInfo).
#[derive(Debug, Default)]
pub struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    pub fn read(pool: &DescriptorPool) -> Self {
        let of_file = |file: FileDescriptor| {
            let info = file.file_descriptor_proto().source_code_info.as_ref();
            let locations = info.into_iter().flat_map(|info| &info.location);
            let comments = locations.filter_map(|at| comment(at).map(|text| (at.path.clone(), text)));
            (file.name().to_owned(), comments.collect())
        };
        Self(pool.files().map(of_file).collect())
    }

    /// What stands at this path of a file.
    pub fn find(&self, file: &FileDescriptor, path: &[i32]) -> Option<String> {
        self.0.get(file.name())?.get(path).cloned()
    }
}

/// The comment before a declaration, else the one behind it.
fn comment(location: &Location) -> Option<String> {
    let both = [&location.leading_comments, &location.trailing_comments];
    both.into_iter().flatten().map(|text| clean(text)).find(|text| !text.is_empty())
}

/// Takes off what is not for readers: the space behind `//`, lines for linters, and `(-- internal notes --)` (AIP-192).
fn clean(comment: &str) -> String {
    let mut text = comment.to_owned();
    while let Some((before, rest)) = text.split_once("(--")
        && let Some((_, behind)) = rest.split_once("--)")
    {
        text = format!("{}{behind}", before.trim_end());
    }
    let lines = text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    let lines: Vec<_> = lines.filter(|line| !line.trim_start().starts_with("buf:lint:")).collect();
    lines.join("\n").trim().to_owned()
}

/// The first sentence, for lists, and what follows it.
pub fn split(comment: &str) -> (String, Option<String>) {
    let paragraph = comment.find("\n\n").unwrap_or(comment.len());
    let ends = comment[..paragraph].match_indices(". ").chain(comment[..paragraph].match_indices(".\n"));
    let ends = ends.map(|(end, _)| end).filter(|end| !is_abbreviation(&comment[..*end]));
    let (first, rest) = comment.split_at(ends.min().map_or(paragraph, |end| end + 1));
    let first = first.trim_end_matches('.').replace('\n', " ");
    (first, Some(rest.trim()).filter(|rest| !rest.is_empty()).map(str::to_owned))
}

fn is_abbreviation(before: &str) -> bool {
    ["e.g", "i.e", "etc", " vs"].iter().any(|word| before.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_cleaned_of_what_is_not_for_readers() {
        for (comment, expected) in [
            (" One line.\n", "One line."),
            (" Two\n lines.\n\n   indented\n", "Two\nlines.\n\n  indented"),
            (" Shown. (-- api-linter: disabled\n because --)\n More.\n", "Shown.\nMore."),
            (" buf:lint:ignore FIELD_LOWER_SNAKE_CASE\n Text.\n", "Text."),
            (" (-- all internal --)\n", ""),
        ] {
            assert_eq!(clean(comment), expected, "{comment:?}");
        }
    }

    #[test]
    fn a_comment_is_its_first_sentence_and_the_rest() {
        for (comment, first, rest) in [
            ("Returns a page\nof users. More.", "Returns a page of users", "More."),
            ("Returns users.\nMore.", "Returns users", "More."),
            ("One sentence.", "One sentence", ""),
            ("Names, e.g. of users. More.", "Names, e.g. of users", "More."),
            ("First\n\nSecond. Third.", "First", "Second. Third."),
        ] {
            let expected = (first.to_owned(), Some(rest.to_owned()).filter(|rest| !rest.is_empty()));
            assert_eq!(split(comment), expected, "{comment:?}");
        }
    }
}
