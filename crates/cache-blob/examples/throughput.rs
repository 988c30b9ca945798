//! How fast a cached blob reads, against a plain file: `cargo run --release -p cache-blob --example throughput -- [DIR]
//! [MIB]`. DIR is best on tmpfs, and is left as it was found.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use cache_blob::{Blobs, Description, GeneratedSource, Sink};
use cache_core::Key;
use cache_file::{FileBackend, FileConfig};
use futures_util::StreamExt;

const ROUNDS: usize = 5;
const PIECE: usize = 256 << 10;

/// Bytes that do not repeat soon.
fn source(len: u64) -> GeneratedSource {
    let piece: Bytes = (0..PIECE as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    GeneratedSource::new(Description::new().len(len).validator("1").ranges(), move |offset, mut sink: Sink| {
        let piece = piece.clone();
        async move {
            let mut at = offset;
            while at < len {
                let part = piece.slice(..(len - at).min(PIECE as u64) as usize);
                at += part.len() as u64;
                sink.write(part).await?;
            }
            Ok(())
        }
    })
}

async fn read_blob(blobs: &Blobs, len: u64) -> Result<f64, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let reader = blobs.open(&Key::of("blob").build()?, source(len)).await?;
    let mut stream = reader.read_range(..);
    let mut read = 0;
    while let Some(piece) = stream.next().await {
        read += piece?.len() as u64;
    }
    assert_eq!(read, len, "the whole blob");
    Ok(len as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn read_file(path: &Path, len: u64) -> io::Result<f64> {
    let start = Instant::now();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; PIECE];
    while file.read(&mut buffer)? > 0 {}
    Ok(len as f64 / start.elapsed().as_secs_f64() / 1e9)
}

fn copy_file(path: &Path, to: &Path, len: u64) -> io::Result<f64> {
    let start = Instant::now();
    let (mut from, mut to) = (File::open(path)?, File::create(to)?);
    let mut buffer = vec![0; PIECE];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(len as f64 / start.elapsed().as_secs_f64() / 1e9);
        }
        to.write_all(&buffer[..read])?;
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| "/dev/shm".to_owned());
    let len = arguments.next().map_or(Ok(1024), |mib| mib.parse::<u64>())? << 20;
    let dir = tempfile::tempdir_in(dir)?;
    let backend = FileBackend::open(FileConfig::new(dir.path().join("cache")).capacity(len * 2)).await?;
    let blobs = Blobs::builder().backend(Arc::new(backend)).build()?;
    let fill = read_blob(&blobs, len).await?;
    let (plain, copy) = (dir.path().join("plain"), dir.path().join("copy"));
    std::fs::write(&plain, vec![7; len as usize])?;
    let (mut cached, mut reads, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        cached.push(read_blob(&blobs, len).await?);
        reads.push(read_file(&plain, len)?);
        copies.push(copy_file(&plain, &copy, len)?);
    }
    let (cached, read, copy) = (median(cached), median(reads), median(copies));
    let out = &mut io::stdout();
    writeln!(out, "GB/s, {} MiB, medians of {ROUNDS}: filling {fill:.2}, cached {cached:.2}", len >> 20)?;
    writeln!(
        out,
        "plain read {read:.2} (cached is {:.2} of it), plain copy {copy:.2} ({:.2})",
        cached / read,
        cached / copy
    )?;
    Ok(())
}
