//! Fingerprints beside the hash of the BLAKE3 crate, and remembered ones beside a bare look at the file.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use benches::options::Effort;
use benches::random::Random;
use benches::report::{Report, Table};
use cache_core::{Clock as _, SystemClock};
use pipeline::{ArtifactOptions, Digest, Fingerprint, Source};
use tokio::runtime::Runtime;

use crate::bars::Bars;
use crate::caches::Opened;
use crate::rounds::{Rounds, middle, rounds};
use crate::runtime;

/// Who hashes.
const HASHES: [&str; 4] = ["fingerprint", "`update_reader`", "`update_mmap`", "`update_mmap_rayon`, all processors"];

pub(crate) fn measured(dir: &Path, effort: Effort, report: &mut Report, bars: &mut Bars) {
    let mebibytes = if effort == Effort::Try { 8 } else { 1_024 };
    let path = dir.join("long");
    write(&path, mebibytes);
    let runtime = runtime();
    let source = Source::from(&path);
    let expected = Fingerprint::of(Digest::of(&std::fs::read(&path).expect("a file")));
    let seen = Rounds::run(rounds(effort, 5, 21), HASHES.len(), |at| {
        let began = Instant::now();
        let found = if at == 0 { taken(&runtime, &source) } else { hashed(&path, at) };
        assert_eq!(found, expected, "{} hashed something else", HASHES[at]);
        f64::from(mebibytes) / 1_024.0 / began.elapsed().as_secs_f64()
    });
    report.say(format!(
        "#### Fingerprint of a file of {mebibytes} MiB\n\nGiB in a second, medians of {} rounds. The file is in the page cache, \
         which nobody but root can empty: from a disk, all wait for it. A fingerprint is taken by one thread, as by \
         `update_reader`, by a cache that has never seen the file.",
        rounds(effort, 5, 21)
    ));
    let mut table = Table::new(["", "GiB/s", "fingerprint / it"]);
    for (at, name) in HASHES.iter().enumerate() {
        table.row([(*name).to_owned(), format!("{:.2}", seen.median(at)), format!("{:.2}", seen.ratio(0, at))]);
    }
    report.say(table.markdown());
    bars.least("fingerprint, of the speed of `update_reader`", seen.ratio(0, 1), 0.9, "");
    remembered(&runtime, dir, &source, effort, report, bars);
}

/// By a cache that has never seen the file.
fn taken(runtime: &Runtime, source: &Source) -> Fingerprint {
    let opened = Opened::in_memory(ArtifactOptions::default());
    let found = runtime.block_on(opened.cache.fingerprints().fingerprint(source)).expect("a fingerprint");
    runtime.block_on(opened.close());
    found.fingerprint
}

fn hashed(path: &Path, how: usize) -> Fingerprint {
    let mut hasher = blake3::Hasher::new();
    match how {
        1 => hasher.update_reader(File::open(path).expect("a file")),
        2 => hasher.update_mmap(path),
        _ => hasher.update_mmap_rayon(path),
    }
    .expect("a file that can be read");
    Fingerprint::of(hasher.finalize().to_hex().parse().expect("a digest"))
}

/// Fingerprints that are remembered, in microseconds: by the process, and by the file tier of another.
fn remembered(runtime: &Runtime, dir: &Path, source: &Source, effort: Effort, report: &mut Report, bars: &mut Bars) {
    let (processes, calls) = (rounds(effort, 50, 200), rounds(effort, 40, 100));
    until_old(source);
    let dir = dir.join("memos");
    let (mut near, mut far, mut looks) = (Vec::new(), Vec::new(), Vec::new());
    runtime.block_on(async {
        for _ in 0..=processes {
            let opened = Opened::in_files(&dir, ArtifactOptions::default()).await;
            for at in 0..=calls {
                let found = opened.cache.fingerprints().fingerprint(source).await.expect("a fingerprint");
                let took = found.took.as_secs_f64() * 1e6;
                match &*found.origin {
                    "memory" => near.push(took),
                    "file" if at == 0 => far.push(took),
                    _ => {}
                }
                looks.push(look(source).await);
            }
            opened.close().await;
        }
    });
    report.say(format!(
        "A fingerprint that is remembered takes {:.1} us in the median of {}, the first of a process, from the file tier, {:.1} us. \
         A bare look at the file on the blocking pool takes {:.1} us.",
        middle(&near),
        near.len(),
        middle(&far),
        middle(&looks)
    ));
    bars.most("a fingerprint that is remembered", middle(&near), 50.0, " us");
}

/// What nobody can leave out who wants to know whether a file was touched, in microseconds.
async fn look(source: &Source) -> f64 {
    let (began, path) = (Instant::now(), source.path().map(Path::to_owned).unwrap_or_default());
    let look = tokio::task::spawn_blocking(move || std::fs::metadata(path).map(|meta| meta.len()));
    assert!(look.await.expect("a look").expect("a file") > 0, "the file is empty");
    began.elapsed().as_secs_f64() * 1e6
}

/// Waits until the file was not touched for so long that its fingerprint is remembered.
pub(crate) fn until_old(source: &Source) {
    let path = source.path().expect("a file");
    let touched = std::fs::metadata(path).and_then(|meta| meta.modified()).expect("a time");
    let old = touched.duration_since(std::time::UNIX_EPOCH).expect("a time after 1970") + Duration::from_secs(3);
    while u128::from(SystemClock::new().now().as_millis()) < old.as_millis() {
        std::thread::yield_now();
    }
}

fn write(path: &Path, mebibytes: u32) {
    let (mut random, mut file) = (Random::new(2), File::create(path).expect("a file"));
    let mut block = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        block.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.next().to_le_bytes()));
        file.write_all(&block).expect("room");
    }
    file.sync_all().expect("room");
}
