//! What an entry takes of the heap above its key and value, and how caches grow.
//!
//! Apart from the other benchmarks, because counting makes every allocation slower.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nothing to say")]

#[expect(dead_code, reason = "throughput is measured elsewhere")]
#[path = "../mem/contenders.rs"]
mod contenders;

use std::process::ExitCode;
use std::time::Instant;

use allocation_counter::measure;
use benches::options::{self, Effort, Options};
use benches::report::{Report, Table};
use cache_mem::MemCache;
use contenders::{Contender, Foyer, Key, LIMIT, Limit, Value};

/// Bytes of a key on the heap.
const KEY: usize = 60;
/// Bytes of a value on the heap: an `Arc`'s two counts, and what it holds.
const VALUE: usize = 16 + 64;

fn main() -> ExitCode {
    options::run(measured)
}

fn measured(options: &Options) -> Result<(), String> {
    let mut sizes = match options.effort {
        Effort::Try => vec![1_000],
        Effort::Quick => vec![10_000, 100_000],
        Effort::Full => vec![10_000, 100_000, 1_000_000],
    };
    if options.large {
        sizes.push(10_000_000);
    }
    let mut report = Report::new("heap", options.folder.clone());
    report.say(
        "#### Heap and growth\n\nBytes of the heap for each entry above its key (60 bytes) and value (80), the handles of both \
         (40) included, in a cache that was offered twice as many keys as it has room for, so that what it remembers \
         of evicted ones counts. TinyUFO holds no keys. Beside them the time of an insert on average, and the longest \
         insert: tables that grow stop the one who inserts.",
    );
    let heading = sizes
        .iter()
        .flat_map(|size| [format!("{size} entries: bytes"), "insert, ns".to_owned(), "longest, us".to_owned()]);
    let mut table = Table::new(std::iter::once("cache".to_owned()).chain(heading));
    table.row(row::<MemCache<Key, Value>>("Reelcache", &sizes));
    table.row(row::<moka::sync::Cache<Key, Value>>("moka", &sizes));
    table.row(row::<mini_moka::sync::Cache<Key, Value>>("mini-moka", &sizes));
    table.row(row::<quick_cache::sync::Cache<Key, Value>>("quick_cache", &sizes));
    table.row(row::<Foyer>("foyer", &sizes));
    table.row(row::<tinyufo::TinyUfo<Key, Value>>("TinyUFO", &sizes));
    table.row(row::<Limit>(LIMIT, &sizes));
    report.say(table.markdown());
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

fn row<C: Contender>(name: &str, sizes: &[usize]) -> Vec<String> {
    let figures = sizes.iter().map(|&entries| grown::<C>(entries));
    let cells = figures.flat_map(|grown| {
        [format!("{:.0}", grown.overhead), format!("{:.0}", grown.mean), format!("{:.0}", grown.longest / 1e3)]
    });
    std::iter::once(name.to_owned()).chain(cells).collect()
}

/// A cache after it was filled.
struct Grown {
    /// Bytes for each entry above key and value.
    overhead: f64,
    /// Nanoseconds of an insert.
    mean: f64,
    /// Nanoseconds of the longest insert.
    longest: f64,
}

fn grown<C: Contender>(entries: usize) -> Grown {
    let mut cache = None;
    let (mut sum, mut longest) = (0.0, 0.0);
    let counted = measure(|| {
        let filled = C::new(entries);
        for number in 0..entries * 2 {
            let (key, value) = (format!("{number:0>KEY$}"), Value::from([0; 64]));
            let began = Instant::now();
            filled.insert(key, value);
            let took = began.elapsed().as_nanos() as f64;
            sum += took;
            longest = f64::max(longest, took);
        }
        filled.settle();
        cache = Some(filled);
    });
    let held = cache.expect("a cache").len().unwrap_or(entries);
    let pair = VALUE + if C::HOLDS_KEYS { KEY } else { 0 };
    let above = counted.bytes_current as f64 - (held * pair) as f64;
    Grown { overhead: above / held as f64, mean: sum / (entries * 2) as f64, longest }
}
