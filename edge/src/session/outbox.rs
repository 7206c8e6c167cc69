//! The counted frames of one direction, kept until the other side has them.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::frame::ServerFrame;

/// What was sent and not acknowledged, oldest first.
#[derive(Debug, Default)]
pub struct Outbox {
    frames: VecDeque<ServerFrame>,
    /// The number of the last frame that the other side is known to have.
    acked: u32,
    weight: usize,
}

/// The other side names a frame that it cannot have, or that it had given back already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impossible;

impl Outbox {
    /// Numbers and keeps a frame; false when there are no numbers left.
    #[must_use]
    pub fn push(&mut self, frame: ServerFrame) -> bool {
        let has_number = self.sent().checked_add(1).is_some();
        if has_number {
            self.weight += frame.weight();
            self.frames.push_back(frame);
        }
        has_number
    }

    /// The number of the last frame.
    pub fn sent(&self) -> u32 {
        // It was checked when the frame was pushed.
        self.acked + self.frames.len() as u32
    }

    /// Bytes that are held.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The other side has everything up to this number.
    ///
    /// # Errors
    /// When no such frame was sent. A number that is older than one before says nothing new.
    pub fn ack(&mut self, received: u32) -> Result<(), Impossible> {
        if received > self.sent() {
            return Err(Impossible);
        }
        while self.acked < received
            && let Some(frame) = self.frames.pop_front()
        {
            self.weight -= frame.weight();
            self.acked += 1;
        }
        if self.frames.is_empty() {
            self.frames.shrink_to_fit();
        }
        Ok(())
    }

    /// Forgets the oldest frames, as if they had been acknowledged, until no more than this is held, or one frame.
    pub fn shed(&mut self, most: usize) {
        while self.weight > most && self.frames.len() > 1 {
            // It is not beyond what was sent.
            let _ = self.ack(self.acked + 1);
        }
    }

    /// Whether a side that has everything up to this number can be sent what follows: less, and that is gone; greater, and
    /// it was never sent.
    pub fn compare(&self, received: u32) -> Ordering {
        match received {
            _ if received < self.acked => Ordering::Less,
            _ if received > self.sent() => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }

    /// What a side that has everything up to this number is to be sent again.
    pub fn resume(&mut self, received: u32) -> impl Iterator<Item = &ServerFrame> {
        // One that cannot be is not asked for; of such a one, all is sent that there is.
        let _ = self.ack(received);
        self.frames.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(call: u32) -> ServerFrame {
        ServerFrame::Credit { call, messages: 1 }
    }

    fn left(outbox: &mut Outbox, received: u32) -> Option<Vec<ServerFrame>> {
        outbox.compare(received).is_eq().then(|| outbox.resume(received).cloned().collect())
    }

    #[test]
    fn what_is_not_acknowledged_comes_again() {
        let mut outbox = Outbox::default();
        for call in 1..=4 {
            assert!(outbox.push(frame(call)));
        }
        let one = frame(0).weight();
        assert_eq!((outbox.sent(), outbox.weight()), (4, 4 * one));
        assert_eq!(outbox.ack(5), Err(Impossible));
        assert_eq!(outbox.ack(2), Ok(()));
        assert_eq!(outbox.ack(1), Ok(()), "it is late, and says nothing new");
        assert_eq!(outbox.weight(), 2 * one);
        assert_eq!(left(&mut outbox, 1), None, "that is gone");
        assert_eq!(left(&mut outbox, 5), None);
        assert_eq!(left(&mut outbox, 3), Some(vec![frame(4)]));
        assert_eq!(left(&mut outbox, 4), Some(vec![]));
        assert_eq!((outbox.sent(), outbox.weight()), (4, 0));
    }

    #[test]
    fn who_does_not_acknowledge_cannot_go_back_far() {
        let mut outbox = Outbox::default();
        let one = frame(0).weight();
        for call in 1..=9 {
            assert!(outbox.push(frame(call)));
            outbox.shed(3 * one);
        }
        assert_eq!((outbox.sent(), outbox.weight()), (9, 3 * one));
        assert_eq!([5, 6, 9, 10].map(|received| outbox.compare(received) as i8), [-1, 0, 0, 1]);
        outbox.shed(0);
        assert_eq!(left(&mut outbox, 8), Some(vec![frame(9)]), "the last one stays");
    }

    #[test]
    fn numbers_do_not_begin_anew() {
        let mut outbox = Outbox { acked: u32::MAX - 1, ..Outbox::default() };
        assert!(outbox.push(frame(1)));
        assert!(!outbox.push(frame(2)));
        assert_eq!(outbox.sent(), u32::MAX);
    }
}
