//! How errors are written where their caller does not choose: in which form, and how much of them.

use serde_json::Value;

use crate::config::EdgeConfig;
use crate::config::rest::{Envelope, ErrorForm};
use crate::error::Error;
use crate::rpc_status;

/// The manner of one edge; the default is the most discreet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ErrorStyle {
    pub form: ErrorForm,
    pub envelope: Envelope,
    /// Backends' own faults are told in their own words.
    pub reveal: bool,
}

impl ErrorStyle {
    pub fn of(config: &EdgeConfig) -> Self {
        let rest = &config.rest;
        let reveal = rest.internal_messages.unwrap_or(config.dev);
        Self { form: rest.errors, envelope: rest.envelope, reveal }
    }

    /// What this caller may know of an error.
    pub fn known(self, error: &Error) -> Error {
        if self.reveal { error.clone().reveal() } else { error.clone() }
    }

    /// The error as JSON, for a stream that has begun; its status line has been sent, so there is no envelope.
    pub fn json(self, error: &Error) -> Value {
        let error = self.known(error);
        match self.form {
            ErrorForm::Problem => error.to_problem(),
            ErrorForm::Status => rpc_status::json(&error),
        }
    }
}
