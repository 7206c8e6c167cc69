//! From a field's number to its place in the message.

/// Numbers below it, which take one or two bytes of tag, are found by index.
const DENSE: u32 = 256;

#[derive(Debug)]
pub struct Slots {
    /// By number; 0 is none, else the slot after.
    dense: Box<[u16]>,
    /// Ascending.
    sparse: Box<[(u32, u16)]>,
}

impl Slots {
    /// The slots of fields with these numbers, in this order.
    pub fn new(numbers: impl Iterator<Item = u32>) -> Self {
        let (mut dense, mut sparse) = (Vec::new(), Vec::new());
        // protoc allows no message 65,535 fields.
        for (slot, number) in (0_u16..).zip(numbers) {
            if number >= DENSE {
                sparse.push((number, slot));
                continue;
            }
            let index = number as usize;
            dense.resize(dense.len().max(index + 1), 0);
            dense[index] = slot + 1;
        }
        sparse.sort_unstable();
        Self { dense: dense.into(), sparse: sparse.into() }
    }

    pub fn find(&self, number: u32) -> Option<usize> {
        match self.dense.get(number as usize) {
            Some(slot) => usize::from(*slot).checked_sub(1),
            None => self.find_sparse(number),
        }
    }

    fn find_sparse(&self, number: u32) -> Option<usize> {
        let index = self.sparse.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(usize::from(self.sparse[index].1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_small_and_large_numbers() {
        let numbers = [5, 1, 255, 256, 536_870_911, 300];
        let slots = Slots::new(numbers.into_iter());
        for (slot, number) in numbers.into_iter().enumerate() {
            assert_eq!(slots.find(number), Some(slot), "{number}");
        }
        for number in [0, 2, 254, 257, u32::MAX] {
            assert_eq!(slots.find(number), None, "{number}");
        }
    }
}
