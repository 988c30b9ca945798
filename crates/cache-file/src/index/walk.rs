//! Walking over all of an index, from both of its ends at once.

use std::thread;

use redb::{ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::{ENTRIES, Index, guard};
use crate::error::IndexError;

/// An index of fewer bytes is walked by one thread: another one would cost more than it saves.
const SMALL: u64 = 4 << 20;

impl Index {
    /// Has `note` take down all keys with their records, each once and in no promised order, by one or two threads; what
    /// each of them took down.
    pub(crate) fn walk<T: Default + Send>(
        &self,
        note: impl Fn(&mut T, &[u8], &[u8]) + Sync,
    ) -> Result<Vec<T>, IndexError> {
        let is_small = self.file.len().map_err(IndexError::Io)? < SMALL;
        let count = guard(&self.failure, || self.table()?.len().map_err(IndexError::from_redb))?;
        let second = if is_small { 0 } else { count / 2 };
        let from_first = || guard(&self.failure, || self.walk_from_first(count - second, &note));
        let from_last = || guard(&self.failure, || self.walk_from_last(second, &note));
        let (first, last) = thread::scope(|scope| {
            let spawned = (second > 0).then(|| thread::Builder::new().spawn_scoped(scope, from_last).ok()).flatten();
            let first = from_first()?;
            // Where there is no thread to be had, this one has time.
            let last = spawned.map_or_else(from_last, |spawned| spawned.join().unwrap_or_else(|_| Err(mismatch())));
            Ok((first, last?))
        })?;
        // Each has counted on the other to come as far as here.
        if first.next == last.last { Ok(vec![first.noted, last.noted]) } else { Err(mismatch()) }
    }

    fn walk_from_first<T: Default>(
        &self,
        count: u64,
        note: &impl Fn(&mut T, &[u8], &[u8]),
    ) -> Result<FromFirst<T>, IndexError> {
        let table = self.table()?;
        let mut range = table.iter().map_err(IndexError::from_redb)?;
        let mut noted = T::default();
        for found in range.by_ref().take(count as usize) {
            let (key, record) = found.map_err(IndexError::from_redb)?;
            note(&mut noted, key.value(), record.value());
        }
        let next = range.next().transpose().map_err(IndexError::from_redb)?;
        Ok(FromFirst { noted, next: next.map(|(key, _)| key.value().to_vec()) })
    }

    fn walk_from_last<T: Default>(
        &self,
        count: u64,
        note: &impl Fn(&mut T, &[u8], &[u8]),
    ) -> Result<FromLast<T>, IndexError> {
        let table = self.table()?;
        let range = table.iter().map_err(IndexError::from_redb)?;
        let (mut noted, mut last) = (T::default(), None);
        for (found, left) in range.rev().take(count as usize).zip((0..count).rev()) {
            let (key, record) = found.map_err(IndexError::from_redb)?;
            note(&mut noted, key.value(), record.value());
            if left == 0 {
                last = Some(key.value().to_vec());
            }
        }
        Ok(FromLast { noted, last })
    }

    fn table(&self) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, IndexError> {
        let transaction = self.database()?.begin_read().map_err(IndexError::from_redb)?;
        transaction.open_table(ENTRIES).map_err(IndexError::from_redb)
    }
}

/// What was taken down from the first key on, and the key after that.
struct FromFirst<T> {
    noted: T,
    next: Option<Vec<u8>>,
}

/// What was taken down from the last key on, and the last of its keys.
struct FromLast<T> {
    noted: T,
    last: Option<Vec<u8>>,
}

fn mismatch() -> IndexError {
    IndexError::Damaged("it does not hold as many entries as it says".to_owned())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::config::{Durability, FileConfig};
    use crate::dir::Layout;
    use crate::fs::OpenMode;

    #[test]
    fn every_key_is_taken_down_once_by_one_thread_and_by_two() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&FileConfig::new(dir.path()));
        let file = layout.fs.open(&layout.index(), OpenMode::Create).unwrap();
        let index = Index::create(file.clone(), Durability::Process, &layout).unwrap();
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for (batch, parts) in [(0, 1), (1, 1), (2, 1), (5_001, 2), (9_000, 2)] {
            let new = (keys.len()..batch).map(|number| number.to_string().into_bytes());
            keys.extend(new);
            index.apply(keys.iter().map(|key| (&**key, Some(Bytes::from(vec![7; 1_500]))))).unwrap();
            let noted = index
                .walk(|noted: &mut Vec<Vec<u8>>, key, record| {
                    assert_eq!(record, [7; 1_500]);
                    noted.push(key.to_vec());
                })
                .unwrap();
            assert_eq!(noted.iter().filter(|part| !part.is_empty()).count(), parts.min(batch), "{batch} entries");
            let mut all = noted.concat();
            all.sort();
            keys.sort();
            assert!(all == keys, "{batch} entries");
        }
        assert!(file.len().unwrap() > SMALL);
    }
}
