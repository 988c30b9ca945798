//! Random reads, drops, faults, evictions, changes and restarts: every byte is that of the version that was opened.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_blob::{BlobError, BlobReader, Blobs, WhenLeft};
use cache_core::{Backend, KeyPrefix};
use cache_mem::MemBackend;
use cache_testkit::{Rng, eventually};
use futures_util::StreamExt;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::origin::{Fault, Origin, bytes};
use crate::support::{KIB, LIMIT, collect, key, memory, small};

const SEGMENT: u64 = 16 * KIB;

/// What a case is set up with.
#[derive(Debug, Clone)]
struct Setup {
    len: u64,
    ranges: bool,
    knows_len: bool,
    validated: bool,
    chunk: u64,
    ahead: u64,
    edges: u64,
    fetches: usize,
    memory: u64,
    max_len: u64,
    when_left: WhenLeft,
}

#[derive(Debug, Clone)]
enum Op {
    Open,
    /// Reads of these ranges at the same time, by readers chosen by their number.
    Read(Vec<(usize, u64, u64)>),
    /// A read that is dropped after so many pieces.
    Leave(usize, u64, usize),
    Close(usize),
    Fail(Vec<Fault>),
    /// The source fails for good with the next fetch.
    Break,
    /// The backend drops entries: about one of so many.
    Evict(u64),
    Change,
    Restart,
    Wait,
}

fn setup() -> impl Strategy<Value = Setup> {
    let lens = prop_oneof![Just(0), Just(SEGMENT), Just(8 * SEGMENT), 1..400 * KIB];
    let chunks = prop_oneof![Just(KIB), Just(5_000), Just(SEGMENT), Just(100 * KIB)];
    let left = prop_oneof![Just(WhenLeft::Pause), Just(WhenLeft::Cancel), Just(WhenLeft::Continue)];
    let max_len = prop_oneof![4 => Just(u64::MAX), 1 => Just(100 * KIB)];
    let source = (lens, any::<bool>(), any::<bool>(), prop::bool::weighted(0.8), chunks);
    let options =
        (0..5 * SEGMENT, 0..5 * SEGMENT, 1..4_usize, prop_oneof![Just(64 * KIB), Just(4 << 20)], max_len, left);
    (source, options).prop_map(
        |((len, ranges, knows_len, validated, chunk), (ahead, edges, fetches, memory, max_len, when_left))| Setup {
            len,
            ranges,
            knows_len,
            validated,
            chunk,
            ahead,
            edges,
            fetches,
            memory,
            max_len,
            when_left,
        },
    )
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let at = || prop_oneof![3 => 0..400 * KIB, 1 => (0..26_u64).prop_map(|index| index * SEGMENT)];
    let fault = prop_oneof![
        Just(Fault::Refuses),
        (0..4_u64).prop_map(Fault::EndsAfter),
        (0..4_u64).prop_map(Fault::BreaksAfter),
        (0..4_u64).prop_map(Fault::StallsAfter),
    ];
    let read = (0..8_usize, at(), prop_oneof![1..100_u64, 1..200 * KIB, Just(u64::MAX >> 1)]);
    let op = prop_oneof![
        4 => Just(Op::Open),
        12 => prop::collection::vec(read, 1..6).prop_map(Op::Read),
        4 => (0..8_usize, at(), 0..4_usize).prop_map(|(reader, at, pieces)| Op::Leave(reader, at, pieces)),
        2 => (0..8_usize).prop_map(Op::Close),
        // With that of the stream that is open, fewer than the attempts.
        4 => prop::collection::vec(fault, 1..3).prop_map(Op::Fail),
        1 => Just(Op::Break),
        3 => (1..8_u64).prop_map(Op::Evict),
        1 => Just(Op::Change),
        1 => Just(Op::Restart),
        2 => Just(Op::Wait),
    ];
    prop::collection::vec(op, 1..24)
}

/// A case under way.
struct World {
    setup: Setup,
    backend: Arc<MemBackend>,
    origin: Origin,
    blobs: Blobs,
    /// Readers with the seed of their version.
    readers: Vec<(BlobReader, u64)>,
    versions: HashMap<String, u64>,
    seed: u64,
    /// Whether the source may have failed for good.
    is_broken: bool,
    rng: Rng,
}

fn blobs(setup: &Setup, backend: &Arc<MemBackend>) -> Blobs {
    let builder = small(backend.clone()).segment_len(SEGMENT).join_window(2 * SEGMENT).memory(setup.memory);
    let builder = builder.read_ahead(setup.ahead).edges(setup.edges).fetches_per_blob(setup.fetches);
    let builder = builder.max_len(setup.max_len).when_left(setup.when_left).grace(Duration::from_secs(1));
    builder.stall_limit(Duration::from_secs(1)).build().unwrap()
}

impl World {
    fn new(setup: Setup) -> Self {
        let mut origin = Origin::new(setup.len).chunk(setup.chunk);
        origin = if setup.ranges { origin } else { origin.without_ranges() };
        origin = if setup.knows_len { origin } else { origin.without_len() };
        origin = if setup.validated { origin } else { origin.without_validator() };
        let backend = Arc::new(memory(4 << 20));
        let blobs = blobs(&setup, &backend);
        let rng = Rng::new(setup.len);
        let (readers, versions) = (Vec::new(), HashMap::new());
        Self { setup, backend, origin, blobs, readers, versions, seed: 1, is_broken: false, rng }
    }

    async fn open(&mut self) {
        let reader = self.blobs.open(&key(), self.origin.clone()).await.unwrap();
        // A version that was not met before was described by the source just then.
        let seed = *self.versions.entry(reader.etag().to_owned()).or_insert(self.seed);
        self.readers.push((reader, seed));
        if self.readers.len() > 8 {
            self.readers.remove(0);
        }
    }

    fn check(&self, seed: u64, start: u64, end: u64, found: cache_blob::Result<Bytes>) {
        let len = self.setup.len;
        match found {
            Ok(found) => {
                let wanted = if start >= len { Bytes::new() } else { bytes(seed, start, end.min(len)) };
                assert!(
                    found == wanted,
                    "{start}..{end} of version {seed}: {} bytes, not {}",
                    found.len(),
                    wanted.len()
                );
            }
            Err(BlobError::PastEnd { .. }) => assert!(start > len, "{start}..{end}"),
            Err(BlobError::Changed { .. }) => assert!(seed != self.seed, "{start}..{end}: nothing has changed"),
            Err(error) => assert!(self.is_broken, "{start}..{end}: {error}"),
        }
    }

    async fn read(&self, reads: &[(usize, u64, u64)]) {
        let run = async |reader: usize, start: u64, len: u64| {
            let Some((reader, seed)) = self.readers.get(reader % self.readers.len().max(1)) else { return };
            let end = start.saturating_add(len);
            let found = tokio::time::timeout(LIMIT * 100, collect(reader.read_range(start..end))).await;
            self.check(*seed, start, end, found.expect("a read ends"));
        };
        join_all(reads.iter().map(|(reader, start, len)| run(*reader, *start, *len))).await;
    }

    async fn leave(&self, reader: usize, start: u64, pieces: usize) {
        let Some((reader, seed)) = self.readers.get(reader % self.readers.len().max(1)) else { return };
        let mut stream = reader.read_range(start..);
        let mut at = start;
        for _ in 0..pieces {
            let Some(piece) = stream.next().await else { return };
            let end = piece.as_ref().map_or(at + 1, |piece| at + piece.len() as u64);
            let is_end = piece.is_err();
            self.check(*seed, at, end, piece);
            at = end;
            if is_end {
                return;
            }
        }
        // Polled once more, so that it is dropped while it waits.
        drop(cache_testkit::drop_after(1, stream.next()).await);
    }

    async fn evict(&mut self, one_of: u64) {
        let found: Vec<_> = self.backend.scan(&KeyPrefix::all()).collect().await;
        for (key, _) in found.into_iter().flatten() {
            if self.rng.chance(1, one_of) {
                self.backend.remove(&key).await.unwrap();
            }
        }
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::Open => self.open().await,
            Op::Read(reads) => self.read(&reads).await,
            Op::Leave(reader, start, pieces) => self.leave(reader, start, pieces).await,
            Op::Close(reader) if reader < self.readers.len() => drop(self.readers.remove(reader)),
            Op::Fail(faults) => {
                // Fewer than attempts, so that no reader may fail.
                self.origin.heal();
                // The end of a stream is the end of a blob whose length nobody knows.
                let knows_len = self.setup.knows_len;
                self.origin.strike(faults.into_iter().map(|fault| match fault {
                    Fault::EndsAfter(chunks) if !knows_len => Fault::BreaksAfter(chunks),
                    fault => fault,
                }));
            }
            Op::Break => {
                self.origin.heal();
                self.origin.strike([Fault::Lasts]);
                self.is_broken = true;
            }
            Op::Evict(one_of) => self.evict(one_of).await,
            // Without a validator nobody can see a change.
            Op::Change if self.setup.validated => {
                self.origin.change();
                self.seed += 1;
            }
            Op::Restart => {
                self.readers.clear();
                self.blobs = blobs(&self.setup, &self.backend);
            }
            Op::Wait => drop(tokio::time::timeout(Duration::from_secs(5), std::future::pending::<()>()).await),
            Op::Close(_) | Op::Change => {}
        }
    }

    async fn end(mut self) {
        self.origin.heal();
        self.open().await;
        let (reader, seed) = self.readers.pop().unwrap();
        let all = collect(reader.read_range(..)).await;
        self.check(seed, 0, u64::MAX, all);
        drop(reader);
        self.readers.clear();
        let is_gone = || async { self.origin.open() == 0 && format!("{:?}", self.blobs).contains("open: 0") };
        assert!(eventually(LIMIT, is_gone).await, "{} fetches stay, {:?}", self.origin.open(), self.blobs);
    }
}

fn run_case(setup: Setup, ops: Vec<Op>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(setup);
        world.open().await;
        for op in ops {
            world.step(op).await;
        }
        world.end().await;
    });
}

/// Runs `cases` of the sequence that belongs to `seed`.
pub(crate) fn run(cases: u32, seed: u64) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&(setup(), ops()), |(setup, ops)| {
        run_case(setup, ops);
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
}

/// `CACHE_BLOB_CASES` sets another number of cases.
#[cfg(test)]
#[test]
fn every_read_equals_the_reference() {
    let cases = std::env::var("CACHE_BLOB_CASES").map_or(256, |cases| cases.parse().unwrap());
    run(cases, 1);
}
