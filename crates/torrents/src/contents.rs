//! `Contents`: what a torrent holds, once everything that it says of itself was looked at.

use std::collections::HashSet;
use std::fmt;
use std::panic::catch_unwind;

use bytes::{BufMut, Bytes, BytesMut};
use librqbit::{ByteBuf, TorrentMetaV1, TorrentMetaV1Info, torrent_from_bytes};
use url::Url;

use crate::error::{Result, TorrentError, Why};
use crate::magnet::InfoHash;
use crate::options::Limits;

/// The longest name of a file or a folder, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest path of a file, in bytes.
const LONGEST_PATH: usize = 1_024;
/// What stands around the description in a torrent file that holds nothing else.
const AROUND: (&[u8], &[u8]) = (b"d4:info", b"e");

/// What a torrent holds. Cloning shares the description.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    pub(crate) hash: InfoHash,
    /// The description in a torrent file that names neither trackers nor anything else.
    pub(crate) torrent: Bytes,
    name: String,
    pub(crate) piece_len: u32,
    files: Vec<FileOf>,
}

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOf {
    /// Its number, from 0, in the order of the torrent.
    pub index: usize,
    /// Its name with those of its folders, `/` between them; for show only.
    pub name: String,
    /// In bytes.
    pub len: u64,
}

impl Contents {
    /// Reads a torrent file of version 1. What is not about its contents, trackers for one, is left out.
    ///
    /// It takes time and memory in proportion to the file, whatever this says.
    ///
    /// # Errors
    /// [`Why::TooLarge`] for what exceeds `limits`, [`Why::Malformed`] for what contradicts itself or has names that no file
    /// has, [`Why::Unsupported`] for a torrent of version 2 only.
    pub fn read(file: &Bytes, limits: &Limits) -> Result<Self> {
        if file.len() as u64 > limits.metadata {
            return Err(too_large("the description of the torrent", limits.metadata));
        }
        let read = parsed(file).ok_or_else(|| {
            TorrentError::malformed("the torrent file cannot be read as one of version 1: choose another stream")
        })?;
        let info = &read.info.data;
        let files = files(info, limits)?;
        let name = shown(info.name.as_ref().map_or(&b"torrent"[..], AsRef::as_ref))?;
        let piece_len = info.piece_length;
        // What the library would refuse later.
        info.clone()
            .validate()
            .map_err(|error| TorrentError::malformed(format!("the torrent is malformed: {error}")))?;
        let raw = read.info.raw_bytes.as_ref();
        let mut torrent = BytesMut::with_capacity(raw.len() + AROUND.0.len() + AROUND.1.len());
        torrent.put_slice(AROUND.0);
        torrent.put_slice(raw);
        torrent.put_slice(AROUND.1);
        Ok(Self { hash: InfoHash(read.info_hash.0), torrent: torrent.freeze(), name, piece_len, files })
    }

    /// What the torrent is known by.
    pub fn hash(&self) -> InfoHash {
        self.hash
    }

    /// Its name, for show only.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its files that hold bytes, without those that only fill up pieces.
    pub fn files(&self) -> &[FileOf] {
        &self.files
    }

    pub(crate) fn file(&self, index: usize) -> Option<&FileOf> {
        self.files.iter().find(|file| file.index == index)
    }
}

/// What a torrent file says. Numbers that do not fit make the library panic, where arithmetic is checked.
fn parsed(file: &[u8]) -> Option<TorrentMetaV1<ByteBuf<'_>>> {
    catch_unwind(|| torrent_from_bytes(file)).ok()?.ok()
}

/// The trackers that a torrent file names, in its order.
pub(crate) fn trackers_in(file: &[u8]) -> Vec<Url> {
    let Some(read) = parsed(file) else { return Vec::new() };
    let named = read.iter_announce().filter_map(|url| std::str::from_utf8(url.as_ref()).ok());
    named.filter_map(|url| Url::parse(url).ok()).take(Limits::TRACKERS).collect()
}

/// The files of `info`, after its lengths were added up and its names were looked at.
fn files(info: &TorrentMetaV1Info<ByteBuf<'_>>, limits: &Limits) -> Result<Vec<FileOf>> {
    let piece = u64::from(info.piece_length);
    if info.piece_length < Limits::LEAST_PIECE {
        return Err(TorrentError::malformed(format!("the torrent is malformed: its pieces have {piece} bytes")));
    }
    if info.piece_length > limits.piece_len {
        return Err(too_large("a piece of the torrent", limits.piece_len.into()));
    }
    let (mut found, mut total, mut names) = (Vec::new(), 0_u64, HashSet::new());
    for (index, file) in entries(info, limits)?.into_iter().enumerate() {
        total = total.checked_add(file.len).ok_or_else(|| too_large("the torrent", limits.total_len))?;
        if file.is_link {
            return Err(TorrentError::malformed("the torrent is malformed: it holds links to other files"));
        }
        if file.is_padding {
            continue;
        }
        let name = path(&file.path)?;
        // Where case makes no difference, one would take the place of the other.
        if !names.insert(name.to_lowercase()) {
            return Err(TorrentError::malformed("the torrent is malformed: two of its files have the same name"));
        }
        if file.len > 0 {
            found.push(FileOf { index, name, len: file.len });
        }
    }
    if total > limits.total_len {
        return Err(too_large("the torrent", limits.total_len));
    }
    let pieces = info.pieces.as_ref().len() as u64;
    let expected = total.div_ceil(piece).saturating_mul(20);
    // Some programs add the hash of an empty piece where the last one is whole.
    let is_one_more = total.is_multiple_of(piece) && pieces == expected.saturating_add(20);
    if total == 0 || (pieces != expected && !is_one_more) {
        return Err(TorrentError::malformed(
            "the torrent is malformed: its lengths contradict the number of its pieces",
        ));
    }
    Ok(found)
}

struct Entry<'a> {
    path: Vec<&'a [u8]>,
    len: u64,
    is_link: bool,
    is_padding: bool,
}

fn entries<'a>(info: &'a TorrentMetaV1Info<ByteBuf<'_>>, limits: &Limits) -> Result<Vec<Entry<'a>>> {
    let has = |attr: Option<&ByteBuf<'_>>, what: u8| attr.is_some_and(|attr| attr.as_ref().contains(&what));
    match (info.length, &info.files) {
        (Some(len), None) => {
            let name = info
                .name
                .as_ref()
                .ok_or_else(|| TorrentError::malformed("the torrent is malformed: its file has no name"))?;
            let is_link = info.symlink_path.is_some() || has(info.attr.as_ref(), b'l');
            Ok(vec![Entry { path: vec![name.as_ref()], len, is_link, is_padding: false }])
        }
        (None, Some(files)) if files.is_empty() => {
            Err(TorrentError::malformed("the torrent is malformed: it holds no file"))
        }
        (None, Some(files)) if files.len() > limits.files => {
            let message =
                format!("the torrent holds {} files, more than {}: choose another stream", files.len(), limits.files);
            Err(TorrentError::new(Why::TooLarge, message))
        }
        (None, Some(files)) => Ok(files
            .iter()
            .map(|file| Entry {
                path: file.path.iter().map(AsRef::as_ref).collect(),
                len: file.length,
                is_link: file.symlink_path.is_some() || has(file.attr.as_ref(), b'l'),
                is_padding: has(file.attr.as_ref(), b'p'),
            })
            .collect()),
        _ => Err(TorrentError::malformed("the torrent is malformed: it is neither one file nor a list of files")),
    }
}

fn path(parts: &[&[u8]]) -> Result<String> {
    let parts = parts.iter().map(|part| shown(part)).collect::<Result<Vec<_>>>()?;
    let path = parts.join("/");
    if path.is_empty() || path.len() > LONGEST_PATH {
        return Err(bad_name());
    }
    Ok(path)
}

/// A name as it is shown, if it is one that a file may have on every system.
fn shown(name: &[u8]) -> Result<String> {
    let is_one = !name.is_empty() && name.len() <= LONGEST_NAME && !matches!(name, b"." | b"..");
    let text = String::from_utf8_lossy(name);
    if !is_one || text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) {
        return Err(bad_name());
    }
    Ok(text.into_owned())
}

fn bad_name() -> TorrentError {
    TorrentError::malformed("the torrent is malformed: it has a name that no file may have")
}

fn too_large(what: &str, most: u64) -> TorrentError {
    TorrentError::new(
        Why::TooLarge,
        format!("{what} is longer than the {most} bytes that are allowed: choose another stream"),
    )
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("hash", &self.hash).field("files", &self.files.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
