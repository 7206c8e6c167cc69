//! Tokens of other backends and of edges.

use std::sync::Arc;
use std::time::Duration;

use super::revoking::commit;
use super::standing::Standing;
use crate::auth::{Caller, IssuedToken, TokenDraft, TokenHolder, Tokens};
use crate::error::Result;
use crate::model::{Role, ServiceToken, Time};
use crate::store::{Change, ServiceTokenChange, Store};

/// A service token somebody wants.
#[derive(Debug)]
pub struct NewServiceToken {
    /// Name for people.
    pub name: String,
    /// `Service` or `Edge`.
    pub role: Role,
    /// The topics that it is for; none for all.
    pub topics: Vec<String>,
    /// How long it is valid.
    pub ttl: Duration,
}

/// Issues and revokes service tokens.
#[derive(Debug, Clone)]
pub struct ServiceTokens {
    store: Arc<dyn Store>,
    tokens: Tokens,
    standing: Standing,
}

impl ServiceTokens {
    /// Service tokens that a store remembers.
    pub fn new(store: Arc<dyn Store>, tokens: Tokens, standing: Standing) -> Self {
        Self { store, tokens, standing }
    }

    /// Issues a token, and tells its id.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub async fn create(&self, caller: &Caller, new: NewServiceToken) -> Result<(String, IssuedToken)> {
        let admin = caller.admin("issue service tokens")?;
        let draft = TokenDraft::new(new.ttl);
        let id = draft.id.clone();
        let NewServiceToken { name, role, topics, .. } = new;
        let holder = TokenHolder { subject: id.clone(), name: name.clone(), role, topics: topics.clone() };
        let (created, expires) = (draft.issued, draft.expires);
        let token = self.tokens.issue(draft, holder)?;
        let record = ServiceToken { id: id.clone(), name, role, topics, created, expires };
        self.commit(ServiceTokenChange::Create(record)).await?;
        tracing::info!(token = id, by = admin.subject, "a service token was issued");
        Ok((id, token))
    }

    /// Revokes a token at once; streams that were opened with it end.
    ///
    /// # Errors
    /// `LoginRequired`, `Forbidden`.
    pub async fn revoke(&self, caller: &Caller, id: String) -> Result<()> {
        let admin = caller.admin("revoke service tokens")?;
        self.commit(ServiceTokenChange::Revoke { id: id.clone(), now: Time::now() }).await?;
        tracing::info!(token = id, by = admin.subject, "a service token was revoked");
        Ok(())
    }

    async fn commit(&self, change: ServiceTokenChange) -> Result<()> {
        let change = Change::ServiceToken(change);
        commit(&*self.store, &self.standing, change, |_| Vec::new()).await.map(drop)
    }
}
