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

/// The first sentence, for lists.
pub fn summary(comment: &str) -> String {
    let paragraph = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end =
        paragraph.match_indices(". ").map(|(end, _)| end).find(|end| !is_abbreviation(&paragraph[..*end]));
    let sentence = end.map_or(paragraph.as_str(), |end| &paragraph[..end]);
    sentence.trim_end_matches('.').to_owned()
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
    fn a_summary_is_the_first_sentence() {
        for (comment, expected) in [
            ("Returns a page\nof users. More.", "Returns a page of users"),
            ("One sentence.", "One sentence"),
            ("Names, e.g. of users. More.", "Names, e.g. of users"),
            ("First\n\nSecond. Third.", "First"),
        ] {
            assert_eq!(summary(comment), expected, "{comment:?}");
        }
    }
}
