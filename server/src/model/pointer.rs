//! JSON pointers (RFC 6901) through the members of objects.

use std::fmt;
use std::ops::Range;

/// A JSON pointer. Equal pointers have equal text, because `~0` and `~1` are the only escapes and never optional.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pointer(String);

/// The text is no JSON pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a JSON pointer: empty, or members each after a `/`, with `~` written as ~0 and `/` as ~1")]
pub struct InvalidPointer;

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// When the text is neither empty nor begins with `/`, or has a `~` that is not part of `~0` or `~1`.
    pub fn parse(text: &str) -> Result<Self, InvalidPointer> {
        let begins = text.is_empty() || text.starts_with('/');
        let escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if begins && escaped { Ok(Self(text.to_owned())) } else { Err(InvalidPointer) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it points to the whole document.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the members on the way, from the outermost.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = String> {
        let members = self.0.strip_prefix('/').into_iter().flat_map(|members| members.split('/'));
        // The order matters: `~01` is the name `~1`.
        members.map(|member| member.replace("~1", "/").replace("~0", "~"))
    }

    /// The texts of the pointers above, from the whole document.
    pub fn above(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }

    /// The texts of all pointers below, in the order of their bytes.
    pub fn below(&self) -> Range<String> {
        // `0` is the character after `/`.
        format!("{}/", self.0)..format!("{}0", self.0)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_unescaped() {
        for (text, members) in [
            ("", &[][..]),
            ("/", &[""]),
            ("/a", &["a"]),
            ("/a/b", &["a", "b"]),
            ("/a//b", &["a", "", "b"]),
            ("/a~1b/m~0n", &["a/b", "m~n"]),
            ("/~01", &["~1"]),
            ("/ä 0", &["ä 0"]),
        ] {
            let pointer = Pointer::parse(text).unwrap();
            assert_eq!(pointer.members().collect::<Vec<_>>(), members, "{text}");
            assert_eq!(pointer.to_string(), text);
        }
        for text in ["a", "a/b", "#/a", "/~", "/a~", "/~2", "/a~/b", " /a"] {
            assert_eq!(Pointer::parse(text), Err(InvalidPointer), "{text}");
        }
    }

    #[test]
    fn above_and_below_are_whole_members() {
        let above = |text: &str| -> Vec<String> {
            Pointer::parse(text).unwrap().above().map(str::to_owned).collect()
        };
        assert_eq!(above(""), [""; 0]);
        assert_eq!(above("/a"), [""]);
        assert_eq!(above("/a/b~1/c"), ["", "/a", "/a/b~1"]);
        for (text, other, expected) in [
            ("", "/a", true),
            ("", "/", true),
            ("/a", "/a/b", true),
            ("/a", "/a/", true),
            ("/a", "/a/b/c", true),
            ("/a", "/a", false),
            ("/a", "/ab", false),
            ("/a", "/a0", false),
            ("/a", "/a-/b", false),
            ("/a/b", "/a", false),
            ("", "", false),
        ] {
            let below = Pointer::parse(text).unwrap().below().contains(&other.to_owned());
            assert_eq!(below, expected, "{other} below {text}");
        }
    }
}
