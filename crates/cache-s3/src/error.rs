//! What goes wrong with an object store, as errors of the contract, without what must stay secret.

#[cfg(feature = "http")]
use std::error::Error as StdError;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
#[cfg(feature = "http")]
use object_store::client::{HttpError, HttpErrorKind};

#[cfg(feature = "http")]
use crate::http::Refusal;

/// How one request ended that brought nothing.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no such object.
    Absent,
    /// The object is not as the request requires: somebody else has written it.
    Changed,
    /// The cause may pass within the call; the server may have asked for a pause.
    Passing(Error, Option<Duration>),
    /// Another request would end the same way.
    Lasting(Error),
}

impl Fault {
    /// Everything but an answer about the object, which the caller has looked for, is an error.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Passing(error, _) | Self::Lasting(error) => error,
            Self::Absent => unavailable("the object went away during the call: try again"),
            Self::Changed => unavailable("the object was changed by others during the call: try again"),
        }
    }
}

impl From<object_store::Error> for Fault {
    fn from(error: object_store::Error) -> Self {
        use object_store::Error as Of;
        if let Some(fault) = of_http(&error) {
            return fault;
        }
        match error {
            Of::NotFound { .. } => Self::Absent,
            Of::AlreadyExists { .. } | Of::Precondition { .. } | Of::NotModified { .. } => Self::Changed,
            Of::NotImplemented { operation, .. } => {
                Self::Lasting(Error::new(ErrorKind::Internal, format!("the object store cannot do this: {operation}")))
            }
            other => Self::Lasting(unavailable(format!("the object store failed: {other}"))),
        }
    }
}

pub(crate) fn unavailable(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}

pub(crate) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

pub(crate) fn too_long() -> Error {
    Error::new(ErrorKind::TooLarge, "the object is longer than the longest entry of this backend: raise max_body")
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the backend was closed: open a new one")
}

pub(crate) fn timeout(limit: Duration) -> Error {
    let message = format!("no answer within {limit:?}: the object store hangs, is slow or is asked too much at once");
    Error::new(ErrorKind::Timeout, message)
}

#[cfg(not(feature = "http"))]
fn of_http(_: &object_store::Error) -> Option<Fault> {
    None
}

/// What a server, or the way to it, is the cause of. The text of the library is left out: it repeats explanations of
/// the server, which name access keys.
#[cfg(feature = "http")]
fn of_http(error: &object_store::Error) -> Option<Fault> {
    let first: &(dyn StdError + 'static) = error;
    let chain = || std::iter::successors(Some(first), |&error| error.source());
    if let Some(refusal) = chain().find_map(|error| error.downcast_ref::<Refusal>()) {
        return Some(of_refusal(refusal));
    }
    let transport = chain().find_map(|error| error.downcast_ref::<HttpError>())?;
    let mut deepest: &dyn StdError = transport;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let error = match transport.kind() {
        HttpErrorKind::Connect => format!("no connection to the object store: {deepest}"),
        HttpErrorKind::Timeout => {
            return Some(Fault::Lasting(Error::new(
                ErrorKind::Timeout,
                "the object store did not accept a connection",
            )));
        }
        _ => format!("the connection to the object store broke: {deepest}"),
    };
    Some(Fault::Passing(unavailable(error), None))
}

#[cfg(feature = "http")]
fn of_refusal(refusal: &Refusal) -> Fault {
    let Refusal::Status { status, code, retry_after } = refusal else {
        return Fault::Lasting(match refusal {
            Refusal::TooLong => too_long(),
            other => unavailable(format!("the object store answered what the protocol does not allow: {other}")),
        });
    };
    let advice = match (status, code.as_deref()) {
        (_, Some("ExpiredToken" | "TokenRefreshRequired")) => "the credentials have expired: renew them",
        (_, Some("RequestTimeTooSkewed")) => "the clock here and that of the server differ: set it right",
        (301 | 307 | 308, _) => "the bucket is elsewhere: set its region or endpoint",
        (404, _) => "the bucket does not exist: create it or mend the URL",
        (401 | 403, _) => "access is denied: check the credentials and what they may do",
        (416, _) => return Fault::Lasting(crate::object::corrupt("the object is empty")),
        (429 | 503, _) => "the server asks for fewer requests: lower the concurrency",
        (408 | 500..=599, _) => "the server failed",
        _ => "the server does not take the request",
    };
    let error = unavailable(format!("the object store answered {refusal}: {advice}"));
    if matches!(status, 408 | 429 | 500 | 502..=504) {
        Fault::Passing(error, *retry_after)
    } else {
        Fault::Lasting(error)
    }
}
