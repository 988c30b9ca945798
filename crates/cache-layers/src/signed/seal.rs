//! Seals: what is put on an entry, and whether it holds.

use std::sync::Arc;

use blake3::Hash;
use bytes::Bytes;
use cache_core::{Entry, Key, Meta, Result};

use super::SigningKey;

/// Ahead of the digits of a seal, with the version of what is signed.
const MARK: &str = "rls1-";
/// Hexadecimal digits of a hash.
const DIGITS: usize = 2 * blake3::OUT_LEN;

/// The key that signs, and the former ones.
#[derive(Debug)]
pub(super) struct Keys(Vec<SigningKey>);

/// What was found in stored form.
#[derive(Debug)]
pub(super) enum Opened<T> {
    Genuine(T),
    Absent,
    /// It has no seal that holds.
    Forged,
}

/// What is told of an entry behind its own codec.
struct Seal {
    /// Of the body.
    digest: Hash,
    /// Over key, digest and own meta.
    tag: Hash,
}

impl Keys {
    pub(super) fn new(key: SigningKey) -> Self {
        Self(vec![key])
    }

    pub(super) fn with_former(&self, key: SigningKey) -> Self {
        Self(self.0.iter().cloned().chain([key]).collect())
    }

    /// The stored form of `entry`.
    pub(super) fn seal(&self, key: &Key, mut entry: Entry) -> Result<Entry> {
        let digest = blake3::hash(&entry.body);
        entry.meta = self.sealed(key, digest, entry.meta)?;
        Ok(entry)
    }

    /// The stored form of `meta` for the body of the entry whose stored meta is `stored`.
    pub(super) fn seal_anew(&self, key: &Key, stored: Meta, meta: Meta) -> Result<Opened<Meta>> {
        match self.verified(key, stored) {
            Some((_, digest)) => Ok(Opened::Genuine(self.sealed(key, digest, meta)?)),
            None => Ok(Opened::Forged),
        }
    }

    /// The meta with which an entry was put.
    pub(super) fn open_meta(&self, key: &Key, stored: Option<Meta>) -> Opened<Meta> {
        let Some(stored) = stored else { return Opened::Absent };
        self.verified(key, stored).map_or(Opened::Forged, |(meta, _)| Opened::Genuine(meta))
    }

    /// The entry as it was put.
    pub(super) fn open(&self, key: &Key, stored: Option<Entry>) -> Opened<Entry> {
        let Some(Entry { meta, body }) = stored else { return Opened::Absent };
        match self.verified(key, meta) {
            Some((meta, digest)) if digest == blake3::hash(&body) => Opened::Genuine(Entry { meta, body }),
            _ => Opened::Forged,
        }
    }

    fn sealed(&self, key: &Key, digest: Hash, mut meta: Meta) -> Result<Meta> {
        let tag = tag(&self.0[0], key, digest, &meta)?;
        let seal = format!("{MARK}{digest}{tag}");
        meta.codec = Some(meta.codec.take().map_or_else(|| Arc::from(&*seal), |own| format!("{own}+{seal}").into()));
        Ok(meta)
    }

    /// The own meta of an entry stored with `stored`, and the hash of its body, if the seal holds.
    fn verified(&self, key: &Key, mut stored: Meta) -> Option<(Meta, Hash)> {
        let (own, seal) = split(stored.codec.as_deref()?)?;
        stored.codec = own;
        let holds = |signer| tag(signer, key, seal.digest, &stored).is_ok_and(|tag| tag == seal.tag);
        self.0.iter().any(holds).then_some((stored, seal.digest))
    }
}

/// What `signer` says of an entry. Comparing hashes takes the same time wherever they differ.
fn tag(signer: &SigningKey, key: &Key, digest: Hash, own: &Meta) -> Result<Hash> {
    let meta = Entry::new(own.clone(), Bytes::new()).encode()?;
    let mut hasher = blake3::Hasher::new_keyed(signer.bytes());
    hasher.update(&(key.as_str().len() as u64).to_le_bytes()).update(key.as_str().as_bytes());
    hasher.update(digest.as_bytes()).update(&meta);
    Ok(hasher.finalize())
}

/// The own codec and the seal in a stored codec.
fn split(stored: &str) -> Option<(Option<Arc<str>>, Seal)> {
    let (own, seal) = stored.rsplit_once('+').map_or((None, stored), |(own, seal)| (Some(Arc::from(own)), seal));
    let (digest, tag) = seal.strip_prefix(MARK)?.split_at_checked(DIGITS)?;
    Some((own, Seal { digest: Hash::from_hex(digest).ok()?, tag: Hash::from_hex(tag).ok()? }))
}
