//! `Script`: a Lua program that the server knows by its digest.

use bytes::Bytes;
use fred::util::sha1_hash;

use super::{Repeat, Request};

/// A Lua program on one key, or on several of one slot.
#[derive(Debug)]
pub(crate) struct Script {
    source: &'static str,
    digest: Bytes,
    repeat: Repeat,
}

impl Script {
    pub(crate) fn new(source: &'static str, repeat: Repeat) -> Self {
        Self { source, digest: sha1_hash(source).into(), repeat }
    }

    pub(super) fn by_digest(&self, names: &[Bytes], args: Vec<Bytes>) -> Request {
        self.request("EVALSHA", self.digest.clone(), names, args)
    }

    pub(super) fn by_source(&self, names: &[Bytes], args: Vec<Bytes>) -> Request {
        self.request("EVAL", Bytes::from_static(self.source.as_bytes()), names, args)
    }

    fn request(&self, command: &'static str, program: Bytes, names: &[Bytes], args: Vec<Bytes>) -> Request {
        let request = Request::new(command, self.repeat).arg(program).number(names.len() as u64);
        let request = names.iter().cloned().fold(request, Request::key);
        args.into_iter().fold(request, Request::arg)
    }
}
