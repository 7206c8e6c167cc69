//! The status codes of gRPC, with their names and HTTP statuses.

use http::StatusCode;

/// Canonical gRPC status codes (google.rpc.Code), without OK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [(Self, &'static str, u16); 16] = [
        (Self::Cancelled, "CANCELLED", 499),
        (Self::Unknown, "UNKNOWN", 500),
        (Self::InvalidArgument, "INVALID_ARGUMENT", 400),
        (Self::DeadlineExceeded, "DEADLINE_EXCEEDED", 504),
        (Self::NotFound, "NOT_FOUND", 404),
        (Self::AlreadyExists, "ALREADY_EXISTS", 409),
        (Self::PermissionDenied, "PERMISSION_DENIED", 403),
        (Self::ResourceExhausted, "RESOURCE_EXHAUSTED", 429),
        (Self::FailedPrecondition, "FAILED_PRECONDITION", 400),
        (Self::Aborted, "ABORTED", 409),
        (Self::OutOfRange, "OUT_OF_RANGE", 400),
        (Self::Unimplemented, "UNIMPLEMENTED", 501),
        (Self::Internal, "INTERNAL", 500),
        (Self::Unavailable, "UNAVAILABLE", 503),
        (Self::DataLoss, "DATA_LOSS", 500),
        (Self::Unauthenticated, "UNAUTHENTICATED", 401),
    ];

    /// The code with this number; numbers that gRPC does not define are `Unknown`.
    pub fn from_number(number: i32) -> Self {
        Self::ALL.iter().map(|row| row.0).find(|code| *code as i32 == number).unwrap_or(Self::Unknown)
    }

    /// Its name as gRPC spells it, such as `NOT_FOUND`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize - 1].1
    }

    /// The HTTP status that google.api's mapping gives it.
    pub fn http_status(self) -> StatusCode {
        StatusCode::from_u16(self.usual_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The same as a number.
    pub const fn usual_status(self) -> u16 {
        Self::ALL[self as usize - 1].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_canonical_table() {
        let statuses: Vec<u16> = (1..=16).map(|n| Code::from_number(n).http_status().as_u16()).collect();
        assert_eq!(
            statuses,
            [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]
        );
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(-1), Code::Unknown);
    }
}
