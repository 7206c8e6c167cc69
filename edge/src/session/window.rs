//! How many messages one side lets the other send.

/// Messages that may still be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window(u32);

/// More was allowed than a number can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overflow;

impl Window {
    pub fn new(messages: u32) -> Self {
        Self(messages)
    }

    pub fn is_open(self) -> bool {
        self.0 > 0
    }

    /// Uses it for one message; false when it is used up.
    #[must_use]
    pub fn take(&mut self) -> bool {
        let is_open = self.is_open();
        self.0 = self.0.saturating_sub(1);
        is_open
    }

    /// # Errors
    /// When there would be more than a number can hold.
    pub fn add(&mut self, messages: u32) -> Result<(), Overflow> {
        self.0 = self.0.checked_add(messages).ok_or(Overflow)?;
        Ok(())
    }
}

/// What this side lets the other send, and what of that is to be let again.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    window: Window,
    /// Passed on since the last time more was allowed.
    used: u32,
    size: u32,
}

impl Grant {
    pub fn new(size: u32) -> Self {
        Self { window: Window::new(size), used: 0, size }
    }

    /// The other side sent one; false when it was not allowed to.
    #[must_use]
    pub fn take(&mut self) -> bool {
        self.window.take()
    }

    /// One was passed on; says how many more to allow, now and then.
    pub fn pass(&mut self) -> Option<u32> {
        self.used += 1;
        if self.used < self.size.div_ceil(2) {
            return None;
        }
        let more = std::mem::take(&mut self.used);
        // What was taken is given back: it fits.
        self.window.add(more).ok().map(|()| more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_was_given() {
        let mut window = Window::new(1);
        assert!(window.take() && !window.take() && !window.is_open());
        assert_eq!(window.add(u32::MAX), Ok(()));
        assert_eq!(window.add(1), Err(Overflow));
        assert!(window.is_open(), "it stays as it was");
    }

    #[test]
    fn what_is_passed_on_is_given_back_in_halves() {
        let mut grant = Grant::new(4);
        let (mut taken, mut given) = (0, 4);
        for step in 0..100 {
            while grant.take() {
                taken += 1;
            }
            assert_eq!(taken, given, "in step {step}");
            given += grant.pass().unwrap_or_default();
        }
        assert_eq!(given, 104);
        let mut one = Grant::new(1);
        assert!(one.take() && !one.take());
        assert_eq!(one.pass(), Some(1));
    }
}
