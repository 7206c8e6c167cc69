//! Wakes those who wait for events of topics, and nobody else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::{Seq, TopicId};

/// Those who wait, by the topics they wait for; a cheap handle.
#[derive(Debug, Clone, Default)]
pub struct Bells {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    last: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    topics: HashMap<TopicId, HashMap<u64, Arc<Notify>>>,
}

impl Bells {
    /// Bells of a log that ends at a position.
    pub fn new(last: Seq) -> Self {
        let bells = Self::default();
        bells.shared.last.store(last, Ordering::Release);
        bells
    }

    /// The log's last position.
    pub fn last(&self) -> Seq {
        self.shared.last.load(Ordering::Acquire)
    }

    /// Wakes who waits for these topics, which have got events up to a position.
    pub fn ring(&self, topics: &[TopicId], last: Seq) {
        self.shared.last.store(last, Ordering::Release);
        let waiting = self.shared.waiting();
        for notify in topics.iter().filter_map(|topic| waiting.topics.get(topic)).flat_map(HashMap::values) {
            notify.notify_one();
        }
    }

    /// Waits for events of these topics from now on.
    pub fn listen(&self, topics: Arc<[TopicId]>) -> Bell {
        let notify = Arc::new(Notify::new());
        let mut waiting = self.shared.waiting();
        let number = waiting.next;
        waiting.next += 1;
        for topic in topics.iter() {
            waiting.topics.entry(*topic).or_default().insert(number, Arc::clone(&notify));
        }
        drop(waiting);
        Bell { shared: Arc::clone(&self.shared), topics, number, notify }
    }
}

impl Shared {
    /// Held for a moment and never across an await.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rings when one of its topics has got events; dropping it takes it off the list.
#[derive(Debug)]
pub struct Bell {
    shared: Arc<Shared>,
    topics: Arc<[TopicId]>,
    number: u64,
    notify: Arc<Notify>,
}

impl Bell {
    /// Waits until the bell has rung since the last call; it may be dropped at any time.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        for topic in self.topics.iter() {
            if let Some(bells) = waiting.topics.get_mut(topic) {
                bells.remove(&self.number);
                if bells.is_empty() {
                    waiting.topics.remove(topic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    const NEWS: TopicId = TopicId(1);
    const TICKS: TopicId = TopicId(2);

    #[tokio::test]
    async fn only_who_waits_for_the_topic_wakes() {
        let bells = Bells::new(7);
        let (news, ticks) = (bells.listen(Arc::new([NEWS])), bells.listen(Arc::new([TICKS])));
        let both = bells.listen(Arc::new([NEWS, TICKS]));
        bells.ring(&[NEWS], 8);
        assert_eq!(bells.last(), 8);
        for (bell, rung) in [(&news, true), (&ticks, false), (&both, true)] {
            assert_eq!(poll!(Box::pin(bell.rung())).is_ready(), rung, "{bell:?}");
        }
        assert!(poll!(Box::pin(news.rung())).is_pending(), "once is enough");
    }

    #[tokio::test]
    async fn nothing_is_left_of_those_who_went() {
        let bells = Bells::default();
        drop(bells.listen(Arc::new([NEWS, TICKS])));
        assert!(bells.shared.waiting().topics.is_empty());
    }
}
