//! Rows F5 and F6: flipped bytes, cuts, zeros and exchanged parts of volumes and index.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::{Backend, Entry};
use cache_file::{FileBackend, FileConfig};

use crate::Outcome;
use crate::disk::Disk;
use crate::image::{Image, PAGE};
use crate::rows::Pace;
use crate::script::{self, Rng};
use crate::story::Tally;

/// Entries of a prepared directory.
pub(crate) const ENTRIES: u64 = 16;

pub(crate) fn config(root: &Path, disk: &Disk) -> FileConfig {
    FileConfig::new(root).capacity(64 << 20).volume_len(128 << 10).fs(Arc::new(disk.clone()))
}

/// A directory with entries of all kinds, closed in order, and as a kill would leave it.
pub(crate) async fn prepared(root: &Path, seed: u64) -> Outcome<[Image; 2]> {
    let disk = Disk::default();
    let backend = FileBackend::open(config(root, &disk)).await?;
    for number in 0..ENTRIES {
        backend.put(&script::key(number)?, script::entry(seed, number, 1)).await?;
    }
    let killed = disk.image();
    backend.close().await?;
    Ok([disk.image(), killed])
}

/// Compares a damaged directory with what was put: every key holds that or nothing. Returns how many hold it.
pub(crate) async fn compare(root: &Path, image: Image, seed: u64, what: &str, tally: &mut Tally) -> Outcome<u64> {
    tally.tried += 1;
    let disk = Disk::new(image);
    let backend = match FileBackend::open(config(root, &disk)).await {
        Ok(backend) => backend,
        Err(error) => {
            tally.unopenable += 1;
            tally.complain(format!("{what}: {error}"));
            return Ok(0);
        }
    };
    let mut whole = 0;
    for number in 0..ENTRIES {
        match backend.get(&script::key(number)?).await? {
            None => {}
            Some(entry) if entry == script::entry(seed, number, 1) => whole += 1,
            Some(entry) => {
                tally.wrong += 1;
                tally.complain(format!("{what}: key {number} holds {:?}", entry.meta));
            }
        }
    }
    backend.close().await?;
    Ok(whole)
}

/// Flips every byte of a record while its directory is open.
pub(crate) async fn flips(root: &Path, pace: Pace, seed: u64) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let disk = Disk::default();
    let backend = FileBackend::open(config(root, &disk)).await?;
    let other = script::entry(seed, 1, 1);
    backend.put(&script::key(1)?, other.clone()).await?;
    let key = script::key(0)?;
    for len in [2_100, 9_000, 70_000] {
        for at in (0..).step_by(pace.of(if len > 10_000 { 331 } else { 37 }, 1) as usize) {
            backend.put(&key, Entry::new(script::meta(2), vec![7; len as usize])).await?;
            let before = backend.usage().await?.corrupt;
            if !disk.flip(len, at, 1 << (at % 8)) {
                break;
            }
            tally.tried += 1;
            let found = backend.get(&key).await?;
            let counted = backend.usage().await?.corrupt - before;
            if found.is_some() || counted != 1 {
                tally.wrong += 1;
                tally.complain(format!("byte {at} of {len} flipped: {:?}, counted {counted}", found.map(|it| it.meta)));
            }
        }
    }
    if backend.get(&script::key(1)?).await? != Some(other) {
        tally.lost += 1;
        tally.complain("another key was lost".to_owned());
    }
    backend.close().await?;
    Ok(tally)
}

/// Cuts, zeros, garbage, exchanged and copied parts, found at the next opening.
pub(crate) async fn parts(root: &Path, pace: Pace, seed: u64) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let mut rng = Rng::new(seed);
    for image in prepared(root, seed).await? {
        let paths: Vec<PathBuf> = image.names.keys().cloned().collect();
        for path in &paths {
            let Some(file) = image.file(path).cloned() else { continue };
            let name = path.display();
            for len in (0..file.len).step_by(pace.of(40_009, 509) as usize) {
                let mut cut = image.clone();
                cut.file_mut(path).into_iter().for_each(|file| file.set_len(len));
                compare(root, cut, seed, &format!("{name} cut to {len}"), &mut tally).await?;
            }
            for at in file.pages() {
                let mut zeroed = image.clone();
                zeroed.file_mut(path).into_iter().for_each(|file| file.punch(at, PAGE));
                compare(root, zeroed, seed, &format!("{name} without page {at}"), &mut tally).await?;
                let mut exchanged = image.clone();
                let (from, mut bytes) = (rng.below(file.len / PAGE) * PAGE, vec![0; PAGE as usize]);
                if file.read(&mut bytes, from).is_ok() {
                    exchanged.file_mut(path).into_iter().for_each(|file| file.write(&bytes, at));
                    compare(root, exchanged, seed, &format!("{name} with page {from} at {at}"), &mut tally).await?;
                }
            }
            let mut longer = image.clone();
            longer.file_mut(path).into_iter().for_each(|file| file.write(&[0xA5; 5000], file.len));
            compare(root, longer, seed, &format!("{name} with garbage behind"), &mut tally).await?;
            for other in &paths {
                let mut swapped = image.clone();
                if let (Some(one), Some(two)) = (image.names.get(path), image.names.get(other)) {
                    swapped.names.extend([(path.clone(), *two), (other.clone(), *one)]);
                    compare(root, swapped, seed, &format!("{name} and {} exchanged", other.display()), &mut tally)
                        .await?;
                }
                let mut copied = image.clone();
                copied.file_mut(other).into_iter().for_each(|other| *other = file.clone());
                compare(root, copied, seed, &format!("{name} copied to {}", other.display()), &mut tally).await?;
            }
        }
    }
    Ok(tally)
}
