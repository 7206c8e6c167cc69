//! Questions whether a caller may read: all who would put the same hold one, and are answered together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::trace::FutureExt;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::error::Result;
use crate::upstream::{Call, Upstream};

use super::audience::is_of_request;
use super::latest::{Latest, Moment};

/// Everything that the backend is told, hashed: the credential too.
type Name = [u8; 32];

/// The questions that somebody holds.
#[derive(Debug, Default)]
pub struct Questions(Mutex<HashMap<Name, Weak<Question>>>);

/// How to ask whether a caller may read.
#[derive(Debug)]
pub struct Asking {
    pub upstream: Upstream,
    /// To the method that admits, with the caller's own credential.
    pub call: Call,
    pub request: Bytes,
    /// How long the backend may take to answer.
    pub timeout: Duration,
}

/// One question, which several may want to be answered.
#[derive(Debug)]
pub struct Question {
    asking: Asking,
    latest: Arc<Latest<Answer>>,
    name: Name,
    questions: Weak<Questions>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// When that was asked.
    pub asked: Instant,
    /// Why the caller may not read, or that nobody could say so.
    pub may: Result<()>,
}

impl Questions {
    /// The question that asks this, which others may have asked before.
    pub fn find(self: &Arc<Self>, mut asking: Asking) -> Arc<Question> {
        // It is not of one request any more, and must be the same for all who ask it.
        asking.call.metadata = asking
            .call
            .metadata
            .iter()
            .filter(|(name, _)| !is_of_request(name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let name = asking.name();
        let mut known = self.lock();
        if let Some(question) = known.get(&name).and_then(Weak::upgrade) {
            return question;
        }
        let question =
            Arc::new(Question { asking, latest: Arc::default(), name, questions: Arc::downgrade(self) });
        known.insert(name, Arc::downgrade(&question));
        question
    }

    fn forget(&self, name: &Name) {
        let mut known = self.lock();
        // Somebody may have asked it anew meanwhile.
        if known.get(name).is_some_and(|question| question.strong_count() == 0) {
            known.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Weak<Question>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    fn name(&self) -> Name {
        let Call { path, metadata, plan, .. } = &self.call;
        let mut told: Vec<_> =
            metadata.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        // Values of one name stay in their order.
        told.sort_by_key(|(name, _)| *name);
        let plan = plan.as_ref().map_or(0, |plan| Arc::as_ptr(plan).addr());
        let mut hash = Sha256::new();
        hash.update(plan.to_le_bytes());
        let pieces = [path.as_str().as_bytes(), &self.request];
        let told = told.into_iter().flat_map(|(name, value)| [name.as_bytes(), value]);
        for piece in pieces.into_iter().chain(told) {
            hash.update(piece.len().to_le_bytes());
            hash.update(piece);
        }
        hash.finalize().into()
    }
}

impl Question {
    pub fn now(&self) -> Moment {
        self.latest.now()
    }

    /// The answer to the question as it was put after this moment, and the moment when it was.
    pub async fn answer(self: &Arc<Self>, after: Moment) -> (Moment, Answer) {
        let put = || {
            let question = Arc::clone(self);
            async move { question.put().await }.with_current_context()
        };
        // Boxed, or a reader would have room for it all the time.
        Box::pin(self.latest.after(after, put)).await
    }

    async fn put(&self) -> Answer {
        let Asking { upstream, call, request, timeout } = &self.asking;
        let asked = Instant::now();
        let call = Call { deadline: Some(asked + *timeout), ..call.clone() };
        let may = upstream.unary(call, request.clone()).await.map(|_| ());
        Answer { asked, may }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(questions) = self.questions.upgrade() {
            questions.forget(&self.name);
        }
    }
}
