//! What a caller does to see whether the checker notices: each stands for something that an edge might do wrong.

use crate::deeds::Deed;

/// What is done to every fifth call or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// A call is made twice, and told of once.
    CallTwice,
    /// A call is not made, and told to be answered.
    InventAnswers,
    /// An answer is not heard.
    MissAnswers,
    /// A session is given up though nobody said that it is unknown.
    GiveUp,
    /// An answer of a conversation is not heard.
    DropReplies,
    /// It is heard twice.
    RepeatReplies,
    /// A change of the document is not heard.
    DropChanges,
    /// It is heard after the next.
    SwapChanges,
    /// It is heard twice.
    RepeatChanges,
}

impl Trick {
    /// What is told instead of this; `held` is what is told late.
    pub(super) fn play(self, deed: Deed, held: &mut Option<Deed>) -> Vec<Deed> {
        match (&deed, self) {
            (Deed::Committed { change: Some(change), .. }, Self::DropReplies) if change.is_multiple_of(3) => {
                Vec::new()
            }
            (Deed::Committed { change: Some(change), version }, Self::RepeatReplies)
                if change.is_multiple_of(3) =>
            {
                let again = Deed::Committed { change: None, version: *version };
                vec![deed, again]
            }
            (Deed::Changed { version, .. }, Self::DropChanges) if version.is_multiple_of(3) => Vec::new(),
            (Deed::Changed { version, .. }, Self::RepeatChanges) if version.is_multiple_of(3) => {
                vec![deed.clone(), deed]
            }
            (Deed::Changed { version, .. }, Self::SwapChanges) if version.is_multiple_of(3) => {
                held.replace(deed).into_iter().collect()
            }
            (Deed::Changed { .. }, Self::SwapChanges) => {
                [vec![deed], held.take().into_iter().collect()].concat()
            }
            _ => vec![deed],
        }
    }
}
