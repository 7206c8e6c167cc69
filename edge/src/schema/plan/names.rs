//! From a name in JSON to what it stands for.

/// Names with what they stand for, in an order that is quick to search.
#[derive(Debug)]
pub struct Names<T>(Box<[(Box<str>, T)]>);

impl<T: Copy> Names<T> {
    /// Of equal names the first counts.
    pub fn new<'a>(names: impl IntoIterator<Item = (&'a str, T)>) -> Self {
        let mut names: Vec<_> = names.into_iter().map(|(name, value)| (Box::from(name), value)).collect();
        names.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        names.dedup_by(|(later, _), (first, _)| later == first);
        Self(names.into())
    }

    pub fn find(&self, name: &str) -> Option<T> {
        let index = self.0.binary_search_by(|(other, _)| order(other).cmp(&order(name))).ok()?;
        Some(self.0[index].1)
    }
}

/// Lengths first: most names differ in them.
fn order(name: &str) -> (usize, &[u8]) {
    (name.len(), name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_names_the_first_counts() {
        let names = Names::new([("b", 1), ("aa", 2), ("b", 3), ("", 4)]);
        for (name, expected) in [("b", Some(1)), ("aa", Some(2)), ("", Some(4)), ("a", None), ("bb", None)] {
            assert_eq!(names.find(name), expected, "{name}");
        }
    }
}
