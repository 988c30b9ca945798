//! Reelcache beside its peers in criterion's statistics: a hit, and a miss whose loader is ready at once.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on has nothing to say")]

mod contenders;
#[expect(dead_code, reason = "the other comparison measures more")]
mod workload;

use contenders::{Contender, Foyer, Moka, QuickCache, QuickCacheTimed, Reelcache};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};
use workload::{Hits, Misses, Order, indices};

/// Hits in one call of the runtime, so that entering it costs nothing of note.
const HITS: usize = 10_000;
/// Misses in one call, and the values held meanwhile.
const MISSES: usize = 1_000;

fn hit(c: &mut Criterion) {
    for (keys, order) in [(1_000, Order::Uniform), (100_000, Order::Zipf)] {
        let mut group = c.benchmark_group(format!("hit of {keys} keys {order:?}"));
        group.throughput(Throughput::Elements(HITS as u64));
        hits::<Reelcache>(&mut group, keys, order);
        hits::<Moka>(&mut group, keys, order);
        hits::<QuickCache>(&mut group, keys, order);
        hits::<QuickCacheTimed>(&mut group, keys, order);
        hits::<Foyer>(&mut group, keys, order);
        group.finish();
    }
}

fn miss(c: &mut Criterion) {
    let mut group = c.benchmark_group("miss");
    group.throughput(Throughput::Elements(MISSES as u64));
    misses::<Reelcache>(&mut group);
    misses::<Moka>(&mut group);
    misses::<QuickCache>(&mut group);
    misses::<Foyer>(&mut group);
    group.finish();
}

fn hits<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>, keys: usize, order: Order) {
    let runtime = runtime();
    let hits = runtime.block_on(Hits::<C>::new(keys, indices(order, keys, HITS)));
    group.bench_function(C::NAME, |bencher| bencher.iter(|| runtime.block_on(hits.nanos_per_hit(0, HITS))));
}

fn misses<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let runtime = runtime();
    let mut misses = runtime.block_on(Misses::<C>::new(MISSES));
    group.bench_function(C::NAME, |bencher| bencher.iter(|| runtime.block_on(misses.nanos_per_miss(MISSES))));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

criterion_group!(compare, hit, miss);
criterion_main!(compare);
