//! `EvictionListener`: who hears which entries a backend drops by itself.

use std::fmt::Debug;

use crate::{Cause, Key, Timestamp};

/// Who hears which entries a backend drops by itself: those that its policy chose, that expired, that did not verify.
///
/// A backend that has one calls it after the fact, outside of its locks, on the thread that dropped the entry: in a cache in
/// memory that is whoever put another one. So it has to be quick, and what it panics with reaches that caller. News of one
/// key may arrive out of order. It does not hear of what callers remove or replace, nor of a newcomer that never stayed.
pub trait EvictionListener: Debug + Send + Sync + 'static {
    /// `gone` has left.
    fn evicted(&self, gone: &Evicted<'_>);
}

/// An entry that a backend dropped by itself.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Evicted<'a> {
    /// Its key.
    pub key: &'a Key,
    /// [`Cause::Capacity`], [`Cause::Expired`] or [`Cause::Corrupt`].
    pub cause: Cause,
    /// What it weighed, in bytes of the medium.
    pub weight: u64,
    /// When the load that made it began: the instant of its stamp.
    pub made: Timestamp,
}

impl<'a> Evicted<'a> {
    /// `key` left for `cause`.
    pub const fn new(key: &'a Key, cause: Cause, weight: u64, made: Timestamp) -> Self {
        Self { key, cause, weight, made }
    }
}
