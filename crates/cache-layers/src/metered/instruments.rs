//! The counters and histograms of one backend, registered once.

use std::sync::Arc;
use std::time::Duration;

use cache_core::ErrorKind;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "reelcache_calls_total";
const READ: &str = "reelcache_bytes_read_total";
const WRITTEN: &str = "reelcache_bytes_written_total";
const DURATION: &str = "reelcache_op_duration_seconds";

/// A method that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Stat,
    Get,
    GetMany,
    Put,
    PutMany,
    Renew,
    Remove,
    Scan,
    Usage,
    Sweep,
    Close,
}

impl Op {
    const ALL: [Self; 11] = [
        Self::Stat,
        Self::Get,
        Self::GetMany,
        Self::Put,
        Self::PutMany,
        Self::Renew,
        Self::Remove,
        Self::Scan,
        Self::Usage,
        Self::Sweep,
        Self::Close,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Put => "put",
            Self::PutMany => "put_many",
            Self::Renew => "renew",
            Self::Remove => "remove",
            Self::Scan => "scan",
            Self::Usage => "usage",
            Self::Sweep => "sweep",
            Self::Close => "close",
        }
    }

    /// Whether a call can end so.
    const fn can(self, end: End) -> bool {
        match end {
            End::Ok => !matches!(self, Self::Stat | Self::Get | Self::GetMany | Self::Renew | Self::Remove),
            End::Hit | End::Miss => {
                matches!(self, Self::Stat | Self::Get | Self::GetMany | Self::Renew | Self::Remove)
            }
            End::Stale => matches!(self, Self::Stat | Self::Get | Self::GetMany),
            _ => true,
        }
    }
}

/// How a call ended: the label `result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Ok,
    Hit,
    Stale,
    Miss,
    Corrupt,
    Unavailable,
    Timeout,
    TooLarge,
    BreakerOpen,
    Error,
    Cancelled,
}

impl End {
    const ALL: [Self; 11] = [
        Self::Ok,
        Self::Hit,
        Self::Stale,
        Self::Miss,
        Self::Corrupt,
        Self::Unavailable,
        Self::Timeout,
        Self::TooLarge,
        Self::BreakerOpen,
        Self::Error,
        Self::Cancelled,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Corrupt => "corrupt",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::BreakerOpen => "breaker_open",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) const fn of_error(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Corrupt => Self::Corrupt,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::TooLarge => Self::TooLarge,
            ErrorKind::BreakerOpen => Self::BreakerOpen,
            _ => Self::Error,
        }
    }
}

/// Handles for everything that one backend counts.
pub(super) struct Instruments {
    requests: [[Counter; End::ALL.len()]; Op::ALL.len()],
    seconds: [Histogram; Op::ALL.len()],
    read: Counter,
    written: Counter,
}

impl Instruments {
    /// Registers with the recorder of the moment, under `backend`.
    pub(super) fn new(backend: &Arc<str>) -> Self {
        describe_counter!(REQUESTS, Unit::Count, "Calls of a backend by method and result; a batch counts its keys");
        describe_counter!(READ, Unit::Bytes, "Bytes of bodies that a backend returned");
        describe_counter!(WRITTEN, Unit::Bytes, "Bytes of bodies that a backend took");
        describe_histogram!(DURATION, Unit::Seconds, "Time that a call of a backend took");
        let name = || backend.to_string();
        let request = |op: Op, end: End| {
            if op.can(end) {
                counter!(REQUESTS, "backend" => name(), "op" => op.name(), "result" => end.name())
            } else {
                Counter::noop()
            }
        };
        Self {
            requests: Op::ALL.map(|op| End::ALL.map(|end| request(op, end))),
            seconds: Op::ALL.map(|op| histogram!(DURATION, "backend" => name(), "op" => op.name())),
            read: counter!(READ, "backend" => name()),
            written: counter!(WRITTEN, "backend" => name()),
        }
    }

    pub(super) fn count(&self, op: Op, end: End, calls: u64) {
        self.requests[op as usize][end as usize].increment(calls);
    }

    pub(super) fn took(&self, op: Op, span: Duration) {
        self.seconds[op as usize].record(span.as_secs_f64());
    }

    pub(super) fn read(&self, bytes: u64) {
        self.read.increment(bytes);
    }

    pub(super) fn written(&self, bytes: u64) {
        self.written.increment(bytes);
    }
}
