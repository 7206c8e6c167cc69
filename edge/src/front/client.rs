//! The TypeScript client as a tarball, which `npm install` takes from an edge with `--dev`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use rust_embed::Embed;

use crate::error::{Code, Error};

use super::state::Shared;

/// Packed by `make run`; a build without it says so.
#[derive(Embed)]
#[folder = "../client-ts/client/packed"]
#[allow_missing = true]
struct Packed;

pub async fn client(State(front): State<Shared>) -> Response {
    if !front.config.dev {
        return not_served("The client is served only with --dev.");
    }
    let Some(file) = Packed::get("client.tgz") else {
        return not_served("The client is not packed: run `make client`, then build again.");
    };
    // npm keeps what it has by the hash in its lock file.
    let headers = [(header::CONTENT_TYPE, "application/gzip"), (header::CACHE_CONTROL, "no-cache")];
    (headers, file.data.into_owned()).into_response()
}

fn not_served(message: &str) -> Response {
    Error::new(Code::NotFound, "NOT_SERVED", message).into_response()
}
