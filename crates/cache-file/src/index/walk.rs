//! Walking over all of an index, from both of its ends at once.

use std::thread;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use redb::{ReadableDatabase, ReadableTable};

use super::{ENTRIES, Index, guard};
use crate::error::IndexError;

/// Keys and records that are handed on at once.
const PIECE: usize = 512;
/// An index of fewer bytes is walked by one thread: another one would cost more than it saves.
const SMALL: u64 = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// The last keys that were taken from either end.
#[derive(Debug, Default)]
struct Front {
    from_first: Option<Bytes>,
    from_last: Option<Bytes>,
}

impl Index {
    /// Has `note` take down all keys with their records, each once and in no promised order, by one or two threads; what
    /// each of them took down.
    pub(crate) fn walk<T: Default + Send>(
        &self,
        note: impl Fn(&mut T, Bytes, Bytes) + Sync,
    ) -> Result<Vec<T>, IndexError> {
        let front = Mutex::default();
        let run = |end| guard(&self.failure, || self.walk_from(end, &front, &note));
        if self.file.len().map_err(IndexError::Io)? < SMALL {
            return Ok(vec![run(End::First)?]);
        }
        thread::scope(|scope| {
            // Without a second thread the first one meets nobody.
            let other = thread::Builder::new().spawn_scoped(scope, || run(End::Last)).ok();
            let mut all = vec![run(End::First)?];
            if let Some(other) = other {
                all.push(other.join().map_err(|_| IndexError::Damaged("a thread panicked over it".to_owned()))??);
            }
            Ok(all)
        })
    }

    fn walk_from<T: Default>(
        &self,
        end: End,
        front: &Mutex<Front>,
        note: &impl Fn(&mut T, Bytes, Bytes),
    ) -> Result<T, IndexError> {
        let transaction = self.database()?.begin_read().map_err(IndexError::from_redb)?;
        let table = transaction.open_table(ENTRIES).map_err(IndexError::from_redb)?;
        let mut range = table.iter().map_err(IndexError::from_redb)?;
        let (mut noted, mut bytes, mut lens) = (T::default(), BytesMut::new(), Vec::with_capacity(PIECE));
        loop {
            while lens.len() < PIECE {
                let next = if end == End::First { range.next() } else { range.next_back() };
                let Some(next) = next else { break };
                let (key, record) = next.map_err(IndexError::from_redb)?;
                let (key, record) = (key.value(), record.value());
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(record);
                lens.push((key.len(), record.len()));
            }
            // One buffer for the whole piece: what is kept of it is copied by whoever keeps it.
            let mut piece = bytes.split().freeze();
            let pairs = lens.drain(..).map(|(key, record)| (piece.split_to(key), piece.split_to(record)));
            let mut pairs: Vec<_> = pairs.collect();
            front.lock().claim(end, &mut pairs);
            let is_last = pairs.len() < PIECE;
            pairs.into_iter().for_each(|(key, record)| note(&mut noted, key, record));
            if is_last {
                return Ok(noted);
            }
        }
    }
}

impl Front {
    /// Leaves those of `pairs` that were not taken from the other end, and takes them.
    fn claim(&mut self, end: End, pairs: &mut Vec<(Bytes, Bytes)>) {
        let (mine, other) = match end {
            End::First => (&mut self.from_first, &self.from_last),
            End::Last => (&mut self.from_last, &self.from_first),
        };
        if let Some(other) = other {
            let is_free = |key: &Bytes| if end == End::First { key < other } else { key > other };
            pairs.truncate(pairs.partition_point(|(key, _)| is_free(key)));
        }
        if let Some((key, _)) = pairs.last() {
            *mine = Some(Bytes::copy_from_slice(key));
        }
    }
}
