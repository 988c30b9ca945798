//! The bytes of a file in a torrent as a source of blobs.
//!
//! [`Torrents`] finds out what a magnet link or a torrent file holds, and gives one file of it as a
//! [`Source`](cache_blob::Source): whoever fills a blob from it gets the pieces that are read next, wherever a reader is.
//! What is said by a link, a torrent, a tracker or a peer is said by a stranger:
//!
//! * Names are shown, after they were checked, and nothing is ever called by them: pieces go into a file without a name, which
//!   is gone with the process.
//! * Files, pieces, lengths, the description itself, torrents at once and the disk that they take have [`Limits`].
//! * All connections, to peers and trackers alike, are made by a guard that looks at each address when it connects.
//!
//! What a torrent holds is kept in a backend and proves itself by its info hash, so that nobody has to be asked twice.

mod contents;
mod error;
mod guard;
mod leads;
mod magnet;
mod options;
mod parts;
mod pick;
mod session;
mod source;
mod torrents;
mod trackers;
mod work;

pub use contents::{Contents, FileOf};
pub use error::{TorrentError, Why};
pub use magnet::{InfoHash, Magnet};
pub use options::{Limits, Options};
pub use pick::Wanted;
pub use source::TorrentSource;
pub use torrents::{Running, TorrentLink, Torrents};
