//! Requests of UserService.

use std::collections::HashSet;

use lastmile_proto::v1;

use super::check::Check;
use crate::error::{Error, Result, head};
use crate::log::{Log, Start};
use crate::model::{NewUser, Role, UserFilter, UserPatch};
use crate::service::page;
use crate::store::UserQuery;

/// Bytes of a filter.
const MAX_FILTER: usize = 1024;

/// Tags of a user.
const MAX_TAGS: usize = 32;

/// Fields that a mask names.
const MAX_PATHS: usize = 32;

/// Which page of which users.
pub(in crate::service) fn list_users(request: &v1::ListUsersRequest) -> Result<UserQuery> {
    let mut check = Check::default();
    let limit = check.take(page::size(request.page_size), "page_size", "must be 0-1000");
    let filter = if request.filter.len() > MAX_FILTER {
        Err("must have at most 1024 bytes".to_owned())
    } else {
        UserFilter::parse(&request.filter)
    };
    let filter = filter.unwrap_or_else(|why| {
        check.require(false, "filter", &why);
        UserFilter::default()
    });
    let after = match request.page_token.as_str() {
        "" => 0,
        token => {
            let key = page::key("users", &request.filter, token).and_then(|key| key.parse().ok());
            check.take(key, "page_token", "must be the next_page_token of a list with the same filter")
        }
    };
    check.finish()?;
    Ok(UserQuery { filter, after, limit })
}

/// The id of a user, which is named by `field`.
pub(in crate::service) fn user_id(id: i32, field: &str) -> Result<i32> {
    let mut check = Check::default();
    check.require(id > 0, field, "must be the id of a user, from 1");
    check.finish()?;
    Ok(id)
}

/// A user to create; its password is still the password itself.
pub(in crate::service) fn create_user(request: v1::CreateUserRequest) -> Result<NewUser> {
    let Some(user) = request.user else {
        return Err(Error::invalid("user", "is required"));
    };
    let mut check = Check::default();
    check.username(&user.username, "user.username");
    check.text(&user.name, "user.name", 1, 128);
    check_tags(&mut check, &user.tags);
    check_email(&mut check, &user.email);
    let role = if user.role.is_empty() { Role::User } else { check_role(&mut check, &user.role) };
    check.new_password(&request.password, "password");
    check.finish()?;
    let v1::User { username, name, tags, email, .. } = user;
    Ok(NewUser { username, name, tags, email, role, password: request.password })
}

/// Which user to change, how, and the etag the caller knows.
pub(in crate::service) fn update_user(
    request: v1::UpdateUserRequest,
) -> Result<(i32, UserPatch, Option<String>)> {
    let Some(user) = request.user else {
        return Err(Error::invalid("user", "is required"));
    };
    let mut check = Check::default();
    check.require(user.id > 0, "user.id", "must be the id of a user, from 1");
    let named = request.update_mask.map(|mask| mask.paths).filter(|paths| !paths.is_empty());
    let paths = named.unwrap_or_else(|| set_fields(&user));
    let mut patch = UserPatch::default();
    for path in check.at_most(&paths, MAX_PATHS, "update_mask", "must name at most 32 fields") {
        match path.as_str() {
            "name" => patch.name = Some(user.name.clone()),
            "tags" => patch.tags = Some(user.tags.clone()),
            "email" => patch.email = Some(user.email.clone()),
            "role" => patch.role = Some(check_role(&mut check, &user.role)),
            "*" => patch = whole(&mut check, &user),
            // Set by the server, and sent back by whoever edits a user as a whole.
            "id" | "etag" | "create_time" | "update_time" => {}
            "username" => check.require(false, "update_mask", "`username` cannot be changed"),
            other => {
                let why =
                    format!("has no field {:?}; the fields are name, tags, email, role, or `*`", head(other));
                check.require(false, "update_mask", &why);
            }
        }
    }
    if let Some(name) = &patch.name {
        check.text(name, "user.name", 1, 128);
    }
    if let Some(tags) = &patch.tags {
        check_tags(&mut check, tags);
    }
    if let Some(email) = &patch.email {
        check_email(&mut check, email);
    }
    if patch == UserPatch::default() {
        check.require(false, "update_mask", "names no field to change: name, tags, email, role, or `*`");
    }
    check.finish()?;
    Ok((user.id, patch, etag(user.etag)))
}

/// Which user to delete, and the etag the caller knows.
pub(in crate::service) fn delete_user(request: v1::DeleteUserRequest) -> Result<(i32, Option<String>)> {
    Ok((user_id(request.id, "id")?, etag(request.etag)))
}

/// Where to watch from, if the log still goes on from there.
pub(in crate::service) fn watch_users(log: &Log, request: &v1::WatchUsersRequest) -> Result<Result<Start>> {
    let mut check = Check::default();
    let start = check.start(log, &request.cursor, 0);
    check.finish()?;
    Ok(start)
}

fn set_fields(user: &v1::User) -> Vec<String> {
    let fields = [
        ("name", !user.name.is_empty()),
        ("tags", !user.tags.is_empty()),
        ("email", !user.email.is_empty()),
        ("role", !user.role.is_empty()),
    ];
    fields.into_iter().filter(|(_, set)| *set).map(|(field, _)| field.to_owned()).collect()
}

fn whole(check: &mut Check, user: &v1::User) -> UserPatch {
    UserPatch {
        name: Some(user.name.clone()),
        tags: Some(user.tags.clone()),
        email: Some(user.email.clone()),
        role: Some(check_role(check, &user.role)),
    }
}

fn etag(etag: String) -> Option<String> {
    Some(etag).filter(|etag| !etag.is_empty())
}

fn check_role(check: &mut Check, role: &str) -> Role {
    match role.parse() {
        Ok(role @ (Role::User | Role::Admin)) => role,
        _ => {
            check.require(false, "user.role", "must be `user` or `admin`");
            Role::User
        }
    }
}

fn check_tags(check: &mut Check, tags: &[String]) {
    let tags = check.at_most(tags, MAX_TAGS, "user.tags", "must have at most 32 tags");
    for (index, tag) in tags.iter().enumerate() {
        check.text(tag, &format!("user.tags[{index}]"), 1, 64);
    }
    let distinct: HashSet<_> = tags.iter().collect();
    check.require(distinct.len() == tags.len(), "user.tags", "must not repeat a tag");
}

fn check_email(check: &mut Check, email: &str) {
    let address = |email: &str| matches!(email.split_once('@'), Some((user, host)) if !user.is_empty() && !host.is_empty());
    check.text(email, "user.email", 0, 254);
    check.require(email.is_empty() || address(email), "user.email", "must be a mail address or empty");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(error: Error) -> Vec<String> {
        match error {
            Error::Invalid(violations) => violations.into_iter().map(|each| each.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn update(paths: &[&str], user: v1::User) -> Result<(i32, UserPatch, Option<String>)> {
        let paths = paths.iter().map(ToString::to_string).collect();
        let mask = Some(prost_types::FieldMask { paths });
        update_user(v1::UpdateUserRequest { user: Some(v1::User { id: 1, ..user }), update_mask: mask })
    }

    #[test]
    fn creation_tells_all_wrong_fields_at_once() {
        let user = v1::User {
            username: "Alice!".to_owned(),
            tags: vec!["a".to_owned(), "a".to_owned(), String::new()],
            email: "nowhere".to_owned(),
            role: "king".to_owned(),
            ..Default::default()
        };
        let request = v1::CreateUserRequest { user: Some(user), password: "short".to_owned() };
        let expected = [
            "user.username",
            "user.name",
            "user.tags[2]",
            "user.tags",
            "user.email",
            "user.role",
            "password",
        ];
        assert_eq!(fields(create_user(request).unwrap_err()), expected);
        assert_eq!(fields(create_user(v1::CreateUserRequest::default()).unwrap_err()), ["user"]);
    }

    #[test]
    fn masks_choose_the_fields() {
        let user = v1::User { name: "Al".to_owned(), etag: "v3".to_owned(), ..Default::default() };
        let name_only = UserPatch { name: Some("Al".to_owned()), ..UserPatch::default() };
        let (id, patch, etag) = update(&["name", "etag", "id"], user.clone()).unwrap();
        assert_eq!((id, &patch, etag.as_deref()), (1, &name_only, Some("v3")));
        let (_, patch, _) = update(&["name", "email"], user.clone()).unwrap();
        assert_eq!(patch.email.as_deref(), Some(""));
        let without =
            v1::UpdateUserRequest { user: Some(v1::User { id: 1, ..user.clone() }), update_mask: None };
        assert_eq!(update_user(without).unwrap().1, name_only);
        assert_eq!(update(&[], user).unwrap().1, name_only, "many clients send an empty mask for none");
    }

    #[test]
    fn bad_masks_are_refused() {
        for (paths, expected) in [
            (&["nmae"][..], &["update_mask", "update_mask"][..]),
            (&["name", "user.name"], &["update_mask", "user.name"]),
            (&["username"], &["update_mask", "update_mask"]),
            (&[], &["update_mask"]),
            (&["role"], &["user.role"]),
            (&["name"], &["user.name"]),
        ] {
            assert_eq!(fields(update(paths, v1::User::default()).unwrap_err()), expected, "{paths:?}");
        }
    }

    #[test]
    fn pages_are_checked() {
        for (request, field) in [
            (v1::ListUsersRequest { page_size: -1, ..Default::default() }, "page_size"),
            (v1::ListUsersRequest { page_size: 1001, ..Default::default() }, "page_size"),
            (v1::ListUsersRequest { page_token: "x".to_owned(), ..Default::default() }, "page_token"),
            (v1::ListUsersRequest { filter: "age=1".to_owned(), ..Default::default() }, "filter"),
        ] {
            assert_eq!(fields(list_users(&request).unwrap_err()), [field]);
        }
    }
}
