//! Requests of AuthService.

use lastmile_proto::v1;

use super::check::Check;
use crate::error::Result;

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
