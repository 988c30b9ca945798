//! A sweep over damage to the file: never a wrong byte, never a refusal to start, never a panic.

use std::fs;
use std::path::Path;

use cache_core::{Backend, KeyPrefix};
use cache_sqlite::SqliteBackend;
use cache_testkit::Rng;
use futures_util::TryStreamExt;

use crate::support::{config, entry, file, fill, key, mixed, open};

const ENTRIES: usize = 40;

/// The bytes of a database, as it is after a close.
async fn image() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, ENTRIES).await;
    backend.close().await.unwrap();
    fs::read(file(dir.path())).unwrap()
}

/// What became of one damaged file: entries found, and whether it was moved aside.
async fn survives(dir: &Path, damaged: &[u8], what: &str) -> (usize, bool) {
    fs::write(file(dir), damaged).unwrap();
    let backend = SqliteBackend::open(config(dir).readers(1)).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let mut found = 0;
    for number in 0..ENTRIES {
        let read = backend.get(&key(number)).await.unwrap_or_else(|error| panic!("{what}: get {number}: {error:?}"));
        if let Some(read) = read {
            assert!(read == mixed(number), "{what}: wrong bytes for key {number}");
            found += 1;
        }
    }
    let scanned: Vec<_> = backend.scan(&KeyPrefix::all()).try_collect().await.unwrap();
    for (key, meta) in scanned {
        let number: usize = key.as_str().trim_start_matches("test:").parse().unwrap();
        assert!(meta == mixed(number).meta, "{what}: wrong meta for {key}");
    }
    for number in 0..ENTRIES {
        let put = backend.put(&key(number), entry(1_000, 200)).await;
        put.unwrap_or_else(|error| panic!("{what}: put {number}: {error:?}"));
        let read = backend.get(&key(number)).await.unwrap();
        // A file that turns out to be damaged only then takes what was written to it before along.
        assert!(read.is_none_or(|read| read == entry(1_000, 200)), "{what}: wrong bytes after a put");
    }
    let is_anew = backend.report().restarts > 0 || backend.report().moved_aside.is_some();
    backend.close().await.unwrap();
    (found, is_anew)
}

async fn sweep(cases: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let (mut tried, mut whole, mut partly, mut anew) = (0, 0, 0, 0);
    for (what, damaged) in cases {
        let dir = tempfile::tempdir().unwrap();
        let (found, is_anew) = survives(dir.path(), &damaged, &what).await;
        tried += 1;
        whole += usize::from(found == ENTRIES);
        partly += usize::from(found < ENTRIES && !is_anew);
        anew += usize::from(is_anew);
    }
    println!("{tried} files: {whole} with every entry, {partly} with some, {anew} started anew, 0 wrong");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_never_a_wrong_byte() {
    let image = image().await;
    let mut rng = Rng::new(5);
    // Every byte of the file header, and others all over.
    let places = (0..100).chain((0..60).map(|_| rng.below(image.len() as u64) as usize)).collect::<Vec<_>>();
    sweep(places.into_iter().map(|at| {
        let mut damaged = image.clone();
        damaged[at] ^= 1 << (at % 8);
        (format!("bit {} of byte {at}", at % 8), damaged)
    }))
    .await;
}

#[tokio::test]
async fn a_flipped_bit_in_a_page_of_structure_is_never_a_wrong_byte() {
    let image = image().await;
    let mut rng = Rng::new(6);
    // The pages of schema, state and indexes come first, with the first entries.
    let cases = (0..80).map(|_| {
        let at = rng.below(12 * 4096) as usize;
        let mut damaged = image.clone();
        damaged[at] ^= 1 << rng.below(8);
        (format!("a bit of byte {at}"), damaged)
    });
    sweep(cases).await;
}

#[tokio::test]
async fn a_page_of_zeroes_or_noise_is_never_a_wrong_byte() {
    let image = image().await;
    let mut rng = Rng::new(7);
    let pages = image.len() / 4096;
    let cases = (0..pages).step_by(pages / 30).map(|page| {
        let mut damaged = image.clone();
        let range = page * 4096..(page + 1) * 4096;
        let is_noise = rng.chance(1, 2);
        damaged[range].iter_mut().for_each(|byte| *byte = if is_noise { rng.below(256) as u8 } else { 0 });
        (format!("page {page}"), damaged)
    });
    sweep(cases.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn two_pages_that_change_places_are_never_a_wrong_byte() {
    let image = image().await;
    let mut rng = Rng::new(8);
    let pages = (image.len() / 4096) as u64;
    let cases = (0..30).map(|_| {
        let (one, two) = (rng.below(pages) as usize * 4096, rng.below(pages) as usize * 4096);
        let mut damaged = image.clone();
        for at in 0..4096 {
            damaged.swap(one + at, two + at);
        }
        (format!("pages {one} and {two}"), damaged)
    });
    sweep(cases.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_file_cut_at_any_length_is_never_a_wrong_byte() {
    let image = image().await;
    let lengths = (0..30).map(|part| image.len() * part / 30).chain([1, 15, 16, 99, 100, 511, 512, 4095, 4096, 4097]);
    let lengths: Vec<_> = lengths.collect();
    sweep(lengths.into_iter().map(|len| (format!("{len} bytes"), image[..len].to_vec()))).await;
}
