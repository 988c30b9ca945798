//! `Manifest`: the entry that describes a blob, and the keys of its segments.

use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Entry, Error, ErrorKind, Key, Meta, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::source::{Description, Version, is_strong};

/// The codec of manifests: an entry with another one is a value that has the key of the blob.
const CODEC: &str = "blob";
/// Version of the layout.
const SCHEMA: u64 = 1;
/// Shorter segments are never begun: what is kept of each would outweigh it.
const LEAST_SEGMENT: u64 = 4 << 10;
/// How deep a manifest is nested at most: a stack is not endless.
const MAX_DEPTH: usize = 8;
/// Digests beyond this many would not fit into an entry.
const MAX_DIGESTS: u64 = Entry::MAX_BODY / 32;

/// What is known of one version of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Names the version in the keys of its segments.
    pub(crate) identity: u128,
    pub(crate) segment_len: u64,
    pub(crate) len: Option<u64>,
    pub(crate) validator: Option<Arc<str>>,
    pub(crate) content_type: Option<Arc<str>>,
    pub(crate) ranges: bool,
    /// Digest of each segment, once all of them are there; empty before.
    pub(crate) digests: Vec<u128>,
    /// What the source says of the whole.
    #[serde(default)]
    pub(crate) sha256: Option<[u8; 32]>,
}

impl Manifest {
    /// The manifest of a blob that is met for the first time. `nonce` tells versions apart that have no strong validator.
    pub(crate) fn new(description: &Description, segment_len: u64, nonce: u64) -> Self {
        let identity = identity(description, segment_len, nonce);
        Self {
            identity,
            segment_len,
            len: description.len,
            validator: description.validator.clone(),
            content_type: description.content_type.clone(),
            ranges: description.ranges,
            digests: Vec::new(),
            sha256: description.sha256,
        }
    }

    /// This version under another name, apart from all that was kept under the first one.
    pub(crate) fn renamed(mut self, nonce: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.identity.to_le_bytes()).update(&nonce.to_le_bytes());
        self.identity = short(&hasher);
        self
    }

    /// Whether nothing in the description speaks against this version.
    pub(crate) fn agrees(&self, description: &Description) -> bool {
        let other_len = matches!((self.len, description.len), (Some(one), Some(other)) if one != other);
        let other_bytes = matches!((self.sha256, description.sha256), (Some(one), Some(other)) if one != other);
        self.validator == description.validator && !other_len && !other_bytes
    }

    /// Whether a source described so has this version for certain: its validator is strong, and the same.
    pub(crate) fn is_confirmed(&self, description: &Description) -> bool {
        self.validator.as_deref().is_some_and(is_strong) && self.agrees(description)
    }

    /// This version, with what a source that has it says beyond what was known.
    pub(crate) fn completed(mut self, description: &Description) -> Self {
        self.len = self.len.or(description.len);
        self.sha256 = self.sha256.or(description.sha256);
        self.ranges = description.ranges;
        self
    }

    pub(crate) fn version(&self) -> Version {
        Version::new(self.len, self.validator.clone())
    }

    /// Number of segments, when the length is known.
    pub(crate) fn segments(&self) -> Option<u64> {
        self.len.map(|len| len.div_ceil(self.segment_len))
    }

    /// Whether digests can be kept for so many segments.
    pub(crate) fn can_seal(&self) -> bool {
        self.segments().is_some_and(|segments| segments <= MAX_DIGESTS)
    }

    /// The strong validator that readers are given, in quotes.
    pub(crate) fn etag(&self) -> Arc<str> {
        format!("\"{:032x}\"", self.identity).into()
    }

    /// The parent of all segments' keys.
    pub(crate) fn segments_key(&self, blob: &Key) -> Result<Key> {
        blob.child("~segments").part(format_args!("{:032x}", self.identity)).build()
    }

    /// The entry that holds this manifest.
    pub(crate) fn to_entry(&self, mut meta: Meta) -> Result<Entry> {
        meta.codec = Some(CODEC.into());
        meta.schema = SCHEMA;
        meta.etag = Some(self.etag());
        meta.content_type.clone_from(&self.content_type);
        let body = rmp_serde::to_vec(self)
            .map_err(|error| Error::new(ErrorKind::Internal, "a manifest cannot be written").with_source(error))?;
        Ok(Entry::new(meta, body))
    }

    /// The manifest in `entry`; `None` when it is none, or one that contradicts itself.
    pub(crate) fn from_entry(entry: &Entry) -> Option<Self> {
        if entry.meta.codec.as_deref() != Some(CODEC) || entry.meta.schema != SCHEMA {
            return None;
        }
        let mut decoder = rmp_serde::Deserializer::from_read_ref(&entry.body[..]);
        decoder.set_max_depth(MAX_DEPTH);
        let manifest = Self::deserialize(&mut decoder).ok()?;
        let has_sane_segments = (LEAST_SEGMENT..=Entry::MAX_BODY).contains(&manifest.segment_len);
        let is_sealed = !manifest.digests.is_empty();
        let has_all_digests = has_sane_segments && manifest.segments() == Some(manifest.digests.len() as u64);
        (has_sane_segments && (!is_sealed || has_all_digests)).then_some(manifest)
    }
}

/// The digest of a segment.
pub(crate) fn digest(body: &Bytes) -> u128 {
    xxh3_128(body)
}

/// The digest in the meta of a segment.
pub(crate) fn digest_of(meta: &Meta) -> Option<u128> {
    u128::from_str_radix(meta.etag.as_deref()?, 16).ok()
}

fn identity(description: &Description, segment_len: u64, nonce: u64) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&segment_len.to_le_bytes());
    hasher.update(&description.len.map_or([0xff; 8], u64::to_le_bytes));
    match description.validator.as_deref().filter(|validator| is_strong(validator)) {
        Some(validator) => hasher.update(b"v").update(validator.as_bytes()),
        None => hasher.update(b"n").update(&nonce.to_le_bytes()),
    };
    // Headers have no zero byte: no validator reads like another with a digest.
    if let Some(sha256) = &description.sha256 {
        hasher.update(b"\0s").update(sha256);
    }
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> u128 {
    let mut short = [0; 16];
    hasher.finalize_xof().fill(&mut short);
    u128::from_le_bytes(short)
}

#[cfg(test)]
mod tests {
    use cache_core::{Stamp, Timestamp};

    use super::*;

    fn meta() -> Meta {
        Meta::new(Stamp::ZERO, Timestamp::EPOCH)
    }

    fn manifest() -> Manifest {
        Manifest::new(&Description::new().len(10_000).validator("\"a\""), 4_096, 7)
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let mut manifest = manifest();
        manifest.digests = vec![u128::MAX, 0, 3];
        manifest.sha256 = Some([200; 32]);
        assert_eq!(Manifest::from_entry(&manifest.to_entry(meta()).unwrap()), Some(manifest));
    }

    #[test]
    fn a_manifest_that_ends_before_the_digest_of_the_whole_has_none() {
        let known = manifest();
        let Manifest { identity, segment_len, len, validator, content_type, ranges, digests, sha256: _ } = &known;
        let short = rmp_serde::to_vec(&(identity, segment_len, len, validator, content_type, ranges, digests)).unwrap();
        let entry = Entry::new(known.to_entry(meta()).unwrap().meta, short);
        assert_eq!(Manifest::from_entry(&entry), Some(known));
    }

    #[test]
    fn what_is_no_manifest_is_none() {
        let good = manifest().to_entry(meta()).unwrap();
        assert_eq!(Manifest::from_entry(&Entry::new(meta(), good.body.clone())), None);
        assert_eq!(Manifest::from_entry(&Entry::new(good.meta.clone(), good.body.slice(1..))), None);
        let mut lies = manifest();
        lies.digests = vec![1];
        assert_eq!(Manifest::from_entry(&lies.to_entry(meta()).unwrap()), None);
        lies.segment_len = 0;
        assert_eq!(Manifest::from_entry(&lies.to_entry(meta()).unwrap()), None);
    }

    #[test]
    fn versions_differ_by_validator_digest_length_and_segment_length() {
        let described = Description::new().len(10_000).validator("\"a\"");
        let identity = |description: &Description, segment| Manifest::new(description, segment, 1).identity;
        let one = identity(&described, 4_096);
        assert_eq!(one, Manifest::new(&described, 4_096, 2).identity, "a validator needs no nonce");
        assert_ne!(one, identity(&described, 8_192));
        assert_ne!(one, identity(&described.clone().len(10_001), 4_096));
        assert_ne!(one, identity(&described.clone().validator("\"b\""), 4_096));
        let told = identity(&described.clone().sha256([1; 32]), 4_096);
        assert!(told != one && told != identity(&described.clone().sha256([2; 32]), 4_096));
        for nameless in [Description::new().len(10_000), Description::new().len(10_000).validator("W/\"a\"")] {
            assert_ne!(Manifest::new(&nameless, 4_096, 1).identity, Manifest::new(&nameless, 4_096, 2).identity);
        }
    }

    #[test]
    fn only_the_same_strong_validator_confirms_a_version() {
        let confirms = |known: &Description, now: &Description| Manifest::new(known, 4_096, 1).is_confirmed(now);
        let strong = Description::new().len(10_000).validator("\"a\"");
        assert!(confirms(&strong, &strong));
        assert!(!confirms(&strong, &strong.clone().len(10_001)));
        assert!(!confirms(&strong.clone().sha256([1; 32]), &strong.clone().sha256([2; 32])));
        assert!(!confirms(&strong, &strong.clone().validator("\"b\"")));
        let date = Description::new().len(10_000).validator("Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(confirms(&date, &date));
        for unsure in [Description::new().len(10_000), Description::new().len(10_000).validator("W/\"a\"")] {
            assert!(!confirms(&unsure, &unsure));
        }
    }
}
