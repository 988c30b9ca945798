//! `Request`: a command for one server.

use bytes::Bytes;
use fred::types::Value;

/// Whether a command may be sent again when its connection is lost before the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Not when its answer tells whether it changed anything.
    Never,
    /// Once: the second time has no further effect.
    Once,
}

/// When a `SET` changes what its key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    Always,
    /// Only where there is nothing.
    Never,
}

/// A command for one server.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(super) verb: Verb,
    pub(super) args: Vec<Value>,
    /// Whose slot decides about the node of a cluster, where the library does not know.
    pub(super) key: Option<Bytes>,
    pub(super) repeat: Repeat,
    /// Bytes of the arguments.
    pub(super) bytes: u64,
}

/// What a server is told to do.
///
/// The library writes each command that it knows by name only, and each script, by itself; those that it knows as such
/// it writes together when they have queued up. With many callers, the writes are half of all work.
#[derive(Debug, Clone)]
pub(super) enum Verb {
    Named(&'static str),
    /// `GETRANGE` from the first to the last of these bytes.
    Range {
        name: Bytes,
        first: usize,
        last: usize,
    },
    /// `SET` for so many milliseconds or for ever.
    Set {
        name: Bytes,
        value: Bytes,
        life: Option<u64>,
        replace: Replace,
    },
}

impl Request {
    pub(crate) fn new(command: &'static str, repeat: Repeat) -> Self {
        let args = Vec::with_capacity(4);
        Self { verb: Verb::Named(command), args, key: None, repeat, bytes: 0 }
    }

    /// A `GETRANGE` of the bytes `from..until` of what is called `name`.
    pub(crate) fn range(name: Bytes, from: u64, until: u64) -> Self {
        let (at, bytes) = (|at: u64| usize::try_from(at).unwrap_or(usize::MAX), name.len());
        Self::typed(Verb::Range { name, first: at(from), last: at(until.saturating_sub(1)) }, bytes)
    }

    /// A `SET` of what is called `name`, for `life` milliseconds or for ever.
    pub(crate) fn set(name: Bytes, value: Bytes, life: Option<u64>, replace: Replace) -> Self {
        let bytes = name.len() + value.len();
        Self::typed(Verb::Set { name, value, life, replace }, bytes)
    }

    /// Adds the key that the command is about, by its name on the server.
    #[must_use]
    pub(crate) fn key(mut self, name: Bytes) -> Self {
        self.key = Some(name.clone());
        self.arg(name)
    }

    #[must_use]
    pub(crate) fn arg(mut self, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        self.bytes += bytes.len() as u64;
        self.args.push(Value::Bytes(bytes));
        self
    }

    #[must_use]
    pub(crate) fn number(self, number: u64) -> Self {
        self.arg(number.to_string())
    }

    fn typed(verb: Verb, bytes: usize) -> Self {
        Self { verb, args: Vec::new(), key: None, repeat: Repeat::Once, bytes: bytes as u64 }
    }
}
