//! Which events of its topics a subscription is about.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::reader::Log;
use crate::error::Result;
use crate::model::{Seq, StoredEvent, TopicId};
use crate::store::SliceLimit;

/// How far back the latest admitted events are looked for.
const LOOK_BACK: usize = 10_000;

type Admits = dyn Fn(&StoredEvent) -> bool + Send + Sync;

/// Admits some events; a cheap handle.
#[derive(Clone)]
pub struct Filter {
    admits: Arc<Admits>,
}

impl Filter {
    /// Admits the events of which `admits` says so.
    pub fn new(admits: impl Fn(&StoredEvent) -> bool + Send + Sync + 'static) -> Self {
        Self { admits: Arc::new(admits) }
    }

    /// Whether the filter admits an event.
    pub(super) fn admits(&self, event: &StoredEvent) -> bool {
        (self.admits)(event)
    }

    /// The position right before the latest `count` admitted events among the latest 10,000 of the topics; when there
    /// is none, that of the last event. It holds positions alone, never events.
    pub(super) async fn before_latest(
        &self,
        log: &Log,
        topics: &Arc<[TopicId]>,
        count: usize,
        limit: SliceLimit,
    ) -> Result<Seq> {
        let end = log.before_latest(Arc::clone(topics), 0).await?;
        if count == 0 {
            return Ok(end);
        }
        let mut befores = VecDeque::with_capacity(count);
        let mut position = log.before_latest(Arc::clone(topics), LOOK_BACK).await?;
        while position < end {
            let slice = log.read_after(Arc::clone(topics), position, limit).await?;
            if slice.events.is_empty() {
                break;
            }
            for event in slice.events.iter().take_while(|event| event.seq <= end) {
                if self.admits(event) {
                    if befores.len() == count {
                        befores.pop_front();
                    }
                    befores.push_back(position);
                }
                position = event.seq;
            }
        }
        Ok(befores.front().copied().unwrap_or(end))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}
