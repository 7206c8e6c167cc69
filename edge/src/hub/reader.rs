//! A subscriber's place in its streams: merges them and knows the cursor token of the whole.

use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::stream::{BoxStream, SelectAll, StreamExt, unfold};

use crate::cursor::{self, Place, Tag};
use crate::error::Result;
use crate::upstream::{Call, Upstream};

use super::feed::{Feed, Opening};
use super::item::Item;
use super::subscription::{Resume, Subscription};

/// What one of the feeds, by index, has next; `None` is its clean end.
type Step = (usize, Result<Option<(Item, Place)>>);

/// One subscriber; dropping it cancels what it reads.
pub struct Reader {
    openings: Vec<Opening>,
    streams: Vec<(Tag, Option<Place>)>,
    feeds: SelectAll<BoxStream<'static, Step>>,
}

impl Reader {
    /// Opens every stream, or none.
    ///
    /// # Errors
    /// The failure of the first stream that fails before its first message.
    pub async fn open(
        upstream: &Upstream,
        call: &Call,
        subscriptions: Vec<Subscription>,
        peek: Duration,
    ) -> Result<Self> {
        let mut streams: Vec<(Tag, Option<Place>)> =
            subscriptions.iter().map(|one| (one.tag.clone(), Some(Place::End))).collect();
        let wanted = subscriptions.into_iter().enumerate().filter(|(_, one)| one.resume != Resume::Ended);
        let opened = try_join_all(wanted.map(|(index, one)| async move {
            Feed::open(upstream, call, one, peek).await.map(|(feed, opening)| (index, feed, opening))
        }))
        .await?;
        let mut openings = Vec::with_capacity(opened.len());
        let mut feeds = SelectAll::new();
        for (index, feed, opening) in opened {
            streams[index].1 = opening.place.clone();
            openings.push(opening);
            feeds.push(items(index, feed));
        }
        Ok(Self { openings, streams, feeds })
    }

    /// How its streams began.
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// The cursor token of where it stands; `None` until every stream has a position.
    pub fn token(&self) -> Option<String> {
        let tokens: Vec<String> = self
            .streams
            .iter()
            .map(|(tag, place)| place.as_ref().map(|place| cursor::encode(tag, place)))
            .collect::<Option<_>>()?;
        Some(cursor::join(tokens.iter().map(String::as_str)))
    }

    /// The next item; `None` when every stream has ended well. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Item>> {
        while let Some((index, item)) = self.feeds.next().await {
            match item? {
                Some((item, place)) => {
                    self.streams[index].1 = Some(place);
                    return Ok(Some(item));
                }
                None => self.streams[index].1 = Some(Place::End),
            }
        }
        Ok(None)
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("streams", &self.streams).finish_non_exhaustive()
    }
}

/// A feed as a stream that ends after its end or first failure.
fn items(index: usize, feed: Feed) -> BoxStream<'static, Step> {
    unfold(Some(feed), move |feed| async move {
        let mut feed = feed?;
        let item = feed.next().await;
        let rest = matches!(item, Ok(Some(_))).then_some(feed);
        Some(((index, item), rest))
    })
    .boxed()
}
