//! AuthService.

use lastmile_proto::v1;
use tonic::{Request, Response, Status, async_trait};
use v1::auth_service_server::AuthService;

use super::call::{admitted, caller};
use super::parse;
use crate::auth::{Caller, IssuedToken};
use crate::domain::{ServiceTokens, Session, Sessions, SetUp, Users, user_message};

/// Signs people in and out.
#[derive(Debug, Clone)]
pub struct AuthApi {
    sessions: Sessions,
    users: Users,
    setup: SetUp,
    service_tokens: ServiceTokens,
}

impl AuthApi {
    /// The service over its domain.
    pub fn new(sessions: Sessions, users: Users, setup: SetUp, service_tokens: ServiceTokens) -> Self {
        Self { sessions, users, setup, service_tokens }
    }
}

#[async_trait]
impl AuthService for AuthApi {
    async fn login(&self, request: Request<v1::LoginRequest>) -> Result<Response<v1::LoginResponse>, Status> {
        let (username, password) = parse::login(request.into_inner())?;
        let Session { access, refresh, user } = self.sessions.login(&username, password).await?;
        Ok(Response::new(v1::LoginResponse {
            access_token: access.text,
            refresh_token: refresh,
            expire_time: Some(access.expires.into()),
            user: Some(user_message(&user)),
        }))
    }

    async fn refresh(
        &self,
        request: Request<v1::RefreshRequest>,
    ) -> Result<Response<v1::RefreshResponse>, Status> {
        let token = parse::refresh_token(request.into_inner().refresh_token)?;
        let Session { access, refresh, user } = self.sessions.refresh(&token).await?;
        Ok(Response::new(v1::RefreshResponse {
            access_token: access.text,
            refresh_token: refresh,
            expire_time: Some(access.expires.into()),
            user: Some(user_message(&user)),
        }))
    }

    async fn logout(&self, request: Request<v1::LogoutRequest>) -> Result<Response<()>, Status> {
        let token = request.into_inner().refresh_token;
        // Without a token there is no session to end, and the edge still clears its cookies.
        if !token.is_empty() {
            self.sessions.logout(&parse::refresh_token(token)?).await?;
        }
        Ok(Response::new(()))
    }

    async fn get_identity(
        &self,
        request: Request<v1::GetIdentityRequest>,
    ) -> Result<Response<v1::Identity>, Status> {
        let caller = caller(&request);
        let user = self.users.me(&caller).await?;
        let identity = caller.identity()?;
        Ok(Response::new(v1::Identity {
            subject: identity.subject.clone(),
            role: identity.role.to_string(),
            expire_time: Some(identity.expires.into()),
            user: user.as_ref().map(user_message),
        }))
    }

    async fn change_password(
        &self,
        request: Request<v1::ChangePasswordRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = admitted(request, Caller::identity)?;
        let (current, next) = parse::change_password(request)?;
        self.sessions.change_password(&caller, current, next).await?;
        Ok(Response::new(()))
    }

    async fn set_up(&self, request: Request<v1::SetUpRequest>) -> Result<Response<v1::User>, Status> {
        let (token, username, password) = parse::set_up(request.into_inner())?;
        let user = self.setup.run(&token, username, password).await?;
        Ok(Response::new(user_message(&user)))
    }

    async fn create_service_token(
        &self,
        request: Request<v1::CreateServiceTokenRequest>,
    ) -> Result<Response<v1::CreateServiceTokenResponse>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("issue service tokens"))?;
        let new = parse::create_service_token(request)?;
        let (id, IssuedToken { text, expires }) = self.service_tokens.create(&caller, new).await?;
        let expire_time = Some(expires.into());
        Ok(Response::new(v1::CreateServiceTokenResponse { id, token: text, expire_time }))
    }

    async fn revoke_service_token(
        &self,
        request: Request<v1::RevokeServiceTokenRequest>,
    ) -> Result<Response<()>, Status> {
        let (caller, request) = admitted(request, |caller| caller.admin("revoke service tokens"))?;
        let id = parse::service_token_id(request.id)?;
        self.service_tokens.revoke(&caller, id).await?;
        Ok(Response::new(()))
    }
}
