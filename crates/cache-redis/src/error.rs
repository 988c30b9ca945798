//! What goes wrong between here and Redis, as errors of the contract.

use std::borrow::Cow;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Retry};
use fred::error::{Error as FredError, ErrorKind as FredKind};

use crate::link::REDIRECTED;

/// What the first word of an error reply means to the caller.
const REPLIES: &[(&str, &str)] = &[
    ("OOM", "the Redis server is at its maxmemory: raise it, or set a maxmemory-policy that evicts"),
    ("READONLY", "the Redis server is a read-only replica: the primary is elsewhere or not chosen yet"),
    ("LOADING", "the Redis server is loading its data set: it answers when that is done"),
    ("MASTERDOWN", "the Redis replica has lost its primary"),
    ("CLUSTERDOWN", "the Redis cluster is down: some slots have no node"),
    ("TRYAGAIN", "the Redis cluster is moving the slot of this key"),
    ("NOREPLICAS", "the Redis server has too few replicas to accept writes"),
    ("MISCONF", "the Redis server refuses writes because it cannot save them: see its log"),
    ("BUSY", "the Redis server is busy with a script"),
    ("NOAUTH", "the Redis server wants a password: set user and password"),
    ("WRONGPASS", "the Redis server refused the user or the password: check both"),
    ("NOPERM", "the Redis user may not do this: give it access to the prefix and the commands"),
];

/// What a failure of the client library means to the caller.
pub(crate) fn from_fred(error: FredError) -> Error {
    let word = error.details().split_whitespace().next().unwrap_or_default();
    if let Some((_, message)) = REPLIES.iter().find(|(known, _)| *known == word) {
        return Error::new(ErrorKind::Unavailable, *message).with_source(error);
    }
    if error.details() == REDIRECTED {
        let message = "the Redis cluster is moving the slot of this key: it answers when that is done";
        return Error::new(ErrorKind::Unavailable, message).with_source(error);
    }
    let (kind, message): (_, Cow<'static, str>) = match error.kind() {
        FredKind::Timeout => (ErrorKind::Timeout, "Redis did not answer in time".into()),
        FredKind::Config | FredKind::Url => (ErrorKind::Invalid, "the configuration of Redis is wrong".into()),
        FredKind::Auth => (ErrorKind::Unavailable, "Redis refused the user or the password: check both".into()),
        FredKind::Tls => (ErrorKind::Unavailable, "no TLS connection to Redis: check certificate and name".into()),
        FredKind::Sentinel => (ErrorKind::Unavailable, "the sentinels name no primary: see the source".into()),
        FredKind::Backpressure => (ErrorKind::Unavailable, "too many commands wait for Redis".into()),
        FredKind::Canceled => (ErrorKind::Unavailable, "there is no connection to Redis now".into()),
        _ => (ErrorKind::Unavailable, "the connection to Redis failed".into()),
    };
    Error::new(kind, message).with_source(error)
}

/// What an error reply of the server means to the caller.
pub(crate) fn from_reply(reply: &str) -> Error {
    let word = reply.split_whitespace().next().unwrap_or_default();
    let known = REPLIES.iter().find(|(known, _)| *known == word);
    let message = known.map_or("Redis refused the command: see the source", |(_, message)| message);
    Error::new(ErrorKind::Unavailable, message)
        .with_source(FredError::new(FredKind::Unknown, shortened(reply).to_owned()))
}

/// A reply of another kind than the command has.
pub(crate) fn unexpected() -> Error {
    Error::new(ErrorKind::Unavailable, "Redis answered in a way that the command never does")
}

/// A stop that the caller asked for.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the backend was closed")
}

/// All turns are taken and none came free in time.
pub(crate) fn crowded() -> Error {
    let message = "too many calls wait for Redis: raise in_flight_bytes or call less";
    Error::new(ErrorKind::Timeout, message)
}

/// A call made together with others that had no answer in time.
pub(crate) fn late() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "Redis did not answer in time: see whether it works, or set a longer command_timeout",
    )
}

/// Options that make no sense.
pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, message).with_retry(Retry::Never)
}

/// A call for many keys that has used up its time.
pub(crate) fn overdue(limit: Duration) -> Error {
    let message =
        format!("Redis has not answered for all keys within {limit:?}: see whether it works, or ask for fewer at once");
    Error::new(ErrorKind::Timeout, message)
}

/// A server may put anything into an error.
fn shortened(reply: &str) -> &str {
    let end = reply.char_indices().nth(200).map_or(reply.len(), |(end, _)| end);
    &reply[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_says_what_to_do() {
        let error = from_reply("OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
        assert!(error.message().contains("maxmemory-policy"), "{error}");
    }

    #[test]
    fn a_timeout_is_one() {
        assert_eq!(from_fred(FredError::new(FredKind::Timeout, "Request timed out.")).kind(), ErrorKind::Timeout);
    }
}
