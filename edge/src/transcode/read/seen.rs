//! Which fields of a message were given.

/// The fields of one message that were given so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The slot that most likely comes next.
    pub(super) next: usize,
    pub(super) slots: Slots,
    /// Oneofs of which a member is set, with that member's slot.
    chosen: Vec<(usize, usize)>,
}

/// A set of slots.
#[derive(Debug, Default)]
pub(super) struct Slots {
    first: u64,
    /// Those from 64 on.
    more: Vec<u64>,
}

impl Slots {
    /// Adds a slot; tells whether it is new.
    #[inline]
    pub(super) fn insert(&mut self, slot: usize) -> bool {
        let word = match slot / 64 {
            0 => &mut self.first,
            index => {
                self.more.resize(self.more.len().max(index), 0);
                &mut self.more[index - 1]
            }
        };
        let bit = 1 << (slot % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

impl Seen {
    /// Sets a member of a oneof, unless another one is set, which is given back.
    pub(super) fn choose(&mut self, oneof: usize, slot: usize) -> Option<usize> {
        let rival = self.chosen.iter().find(|(other, _)| *other == oneof).map(|(_, slot)| *slot);
        if rival.is_none() {
            self.chosen.push((oneof, slot));
        }
        rival
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_new_once() {
        let mut slots = Slots::default();
        for slot in [0, 63, 64, 65, 127, 128, 700] {
            assert!(slots.insert(slot), "{slot}");
        }
        for slot in [0, 63, 64, 65, 127, 128, 700] {
            assert!(!slots.insert(slot), "{slot}");
        }
        assert!(slots.insert(1) && slots.insert(699));
    }
}
