//! Cost of a hit in each tier, and of a put into the file tier, beside a plain file of the same length.

#![expect(clippy::expect_used, reason = "a benchmark that cannot start has nothing to say")]

use std::hint::black_box;
use std::sync::Arc;

use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, SystemClock};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::{Cache, Tiered};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;

const LENGTHS: [usize; 4] = [4 << 10, 64 << 10, 1 << 20, 8 << 20];

fn entry(len: usize) -> Entry {
    let clock = Arc::new(SystemClock::new());
    Entry::new(Meta::new(Hlc::new(clock.clone()).tick(), clock.now()), vec![7; len])
}

fn key(number: impl std::fmt::Display) -> Key {
    Key::of("bench").part(number).build().expect("a short key")
}

fn near_hit(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let cache = runtime.block_on(async {
        let tiers = Tiered::builder().tier(MemBackend::new(1 << 20)).build().expect("tiers");
        Cache::<u64>::builder("near").near(1_000).tiers(tiers).build().expect("a cache")
    });
    let key = key(1);
    c.bench_function("near hit through get_or_load", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let hit = cache.get_or_load(&key, |_| async { Ok::<_, std::io::Error>(1) }).await;
            black_box(hit.expect("a hit").value)
        });
    });
}

fn memory_get(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let backend = MemBackend::new(64 << 20);
    let key = key(1);
    runtime.block_on(backend.put(&key, entry(64 << 10))).expect("a put");
    c.bench_function("memory get", |bencher| {
        bencher.to_async(&runtime).iter(|| async { black_box(backend.get(&key).await) });
    });
}

fn file_get_and_put(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = tempfile::tempdir().expect("a directory");
    let config = FileConfig::new(dir.path().join("cache")).capacity(1 << 30);
    let backend = runtime.block_on(FileBackend::open(config)).expect("a backend");
    let mut group = c.benchmark_group("file");
    for len in LENGTHS {
        let (key, entry) = (key(len), entry(len));
        let plain = dir.path().join(len.to_string());
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("put", len), |bencher| {
            bencher.to_async(&runtime).iter(|| async { backend.put(&key, entry.clone()).await.expect("a put") });
        });
        group.bench_function(BenchmarkId::new("get", len), |bencher| {
            bencher.to_async(&runtime).iter(|| async { black_box(backend.get(&key).await.expect("a get")) });
        });
        group.bench_function(BenchmarkId::new("std::fs write (limit)", len), |bencher| {
            bencher.iter(|| std::fs::write(&plain, &entry.body).expect("a write"));
        });
        group.bench_function(BenchmarkId::new("std::fs read (limit)", len), |bencher| {
            bencher.iter(|| black_box(std::fs::read(&plain).expect("a read")));
        });
    }
    group.finish();
    runtime.block_on(backend.close()).expect("a close");
}

criterion_group!(tiers, near_hit, memory_get, file_get_and_put);
criterion_main!(tiers);
