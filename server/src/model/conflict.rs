//! The rule by which operations on a document conflict.

use std::collections::{BTreeMap, BTreeSet};

use super::pointer::Pointer;

/// Changes of a document that the maker of a commit did not know: paths with the version that last changed each.
#[derive(Debug, Default)]
pub struct UnseenChanges {
    versions: BTreeMap<String, u32>,
}

impl UnseenChanges {
    /// Of the changes, those after the version `base` and not in `own`: the versions that the same maker has made.
    pub fn new(changes: impl IntoIterator<Item = (String, u32)>, base: u32, own: &BTreeSet<u32>) -> Self {
        let unseen = |(_, version): &(String, u32)| *version > base && !own.contains(version);
        Self { versions: changes.into_iter().filter(unseen).collect() }
    }

    /// The last version that changed a path equal to, above or below this one.
    pub fn touching(&self, path: &Pointer) -> Option<u32> {
        let equal_or_above = path.above().chain([path.as_str()]).filter_map(|text| self.versions.get(text));
        let below = self.versions.range(path.below()).map(|(_, version)| version);
        equal_or_above.chain(below).max().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_above_and_below_touch_and_siblings_do_not() {
        let changes = || [("/a/b", 3), ("/a/b/c", 5), ("/a0", 9), ("/x", 4), ("/y", 2)];
        let unseen = |base, own: &[u32]| {
            let changes = changes().map(|(path, version)| (path.to_owned(), version));
            UnseenChanges::new(changes, base, &own.iter().copied().collect())
        };
        for (path, base, own, expected) in [
            ("/a/b", 2, &[][..], Some(5)),
            ("/a/b", 3, &[], Some(5)),
            ("/a/b", 5, &[], None),
            ("/a/b", 4, &[5], None),
            ("/a/b", 2, &[5], Some(3)),
            ("/a", 2, &[], Some(5)),
            ("", 2, &[], Some(9)),
            ("", 9, &[], None),
            ("/a/b/d", 2, &[], Some(3)),
            ("/a/b/d", 3, &[], None),
            ("/a/b/c/d", 2, &[], Some(5)),
            ("/a/bc", 0, &[], None),
            ("/a/c", 0, &[], None),
            ("/y", 1, &[], Some(2)),
            ("/y", 2, &[], None),
            ("/z", 0, &[], None),
        ] {
            let pointer = Pointer::parse(path).unwrap();
            assert_eq!(unseen(base, own).touching(&pointer), expected, "{path} after {base} without {own:?}");
        }
        let root = UnseenChanges::new([(String::new(), 7)], 6, &BTreeSet::new());
        assert_eq!(root.touching(&Pointer::parse("/a/b").unwrap()), Some(7));
    }
}
