//! Requests of AuthService.

use std::time::Duration;

use lastmile_proto::v1;

use super::check::Check;
use crate::domain::NewServiceToken;
use crate::error::Result;
use crate::model::{LONGEST_SERVICE_TOKEN, Role};

/// The shortest life of a service token.
const SHORTEST_TTL: Duration = Duration::from_secs(60);

/// The life of a service token when the caller does not say.
const DEFAULT_TTL: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Topics of a service token at most: the token has to fit into a header.
const MAX_TOPICS: usize = 64;

/// Username and password.
pub(in crate::service) fn login(request: v1::LoginRequest) -> Result<(String, String)> {
    let mut check = Check::default();
    check.require((1..=64).contains(&request.username.len()), "username", "must have 1-64 characters");
    check.require((1..=256).contains(&request.password.len()), "password", "must have 1-256 bytes");
    check.finish()?;
    Ok((request.username, request.password))
}

/// The refresh token of Refresh or Logout.
pub(in crate::service) fn refresh_token(token: String) -> Result<String> {
    let mut check = Check::default();
    let fits = (1..=256).contains(&token.len());
    check.require(fits, "refresh_token", "must be the refresh token of the session; Login gives one");
    check.finish()?;
    Ok(token)
}

/// Token, username and password of the first administrator.
pub(in crate::service) fn set_up(request: v1::SetUpRequest) -> Result<(String, String, String)> {
    let username = if request.username.is_empty() { "admin".to_owned() } else { request.username };
    let mut check = Check::default();
    check.require(
        !request.setup_token.is_empty(),
        "setup_token",
        "must be the token the first start printed",
    );
    check.username(&username, "username");
    check.new_password(&request.password, "password");
    check.finish()?;
    Ok((request.setup_token, username, request.password))
}

/// The current and the next password.
pub(in crate::service) fn change_password(request: v1::ChangePasswordRequest) -> Result<(String, String)> {
    let v1::ChangePasswordRequest { current_password, new_password } = request;
    let mut check = Check::default();
    check.require((1..=256).contains(&current_password.len()), "current_password", "must have 1-256 bytes");
    check.new_password(&new_password, "new_password");
    check.require(new_password != current_password, "new_password", "must differ from current_password");
    check.finish()?;
    Ok((current_password, new_password))
}

/// What a new service token is for.
pub(in crate::service) fn create_service_token(
    request: v1::CreateServiceTokenRequest,
) -> Result<NewServiceToken> {
    let v1::CreateServiceTokenRequest { name, role, topics, ttl } = request;
    let mut check = Check::default();
    check.text(&name, "name", 1, 64);
    let role = role.parse().ok().filter(|role| matches!(role, Role::Service | Role::Edge));
    check.require(role.is_some(), "role", "must be `service` or `edge`");
    let why = "must be at most 64; leave it out to allow all";
    for (index, topic) in check.at_most(&topics, MAX_TOPICS, "topics", why).iter().enumerate() {
        let field = format!("topics[{index}]");
        check.topic_name(topic, &field);
        check.require(!topics[..index].contains(topic), &field, "is named before; name each topic once");
    }
    let ttl = ttl.map_or(Some(DEFAULT_TTL), |ttl| Duration::try_from(ttl).ok());
    let ttl = ttl.filter(|ttl| (SHORTEST_TTL..=LONGEST_SERVICE_TOKEN).contains(ttl));
    let ttl = check.take(ttl, "ttl", "must be 60 s to 34560000 s (400 days)");
    check.finish()?;
    Ok(NewServiceToken { name, role: role.unwrap_or(Role::Service), topics, ttl })
}

/// The id of a service token.
pub(in crate::service) fn service_token_id(id: String) -> Result<String> {
    let mut check = Check::default();
    check.topic_name(&id, "id");
    check.finish()?;
    Ok(id)
}
