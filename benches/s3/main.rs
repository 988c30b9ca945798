//! The object store tier beside the bare library: gets of 64 KiB and 4 MiB, 32 at once, from one S3 server.
//!
//! The server checks signatures; unless `REELCACHE_TEST_S3` names one, it runs in this process. Slices are short and take turns, in rotated order: what else
//! the machine does hits both alike, so ratios are steadier than figures.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on has nothing to say")]

mod server;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::options::{self, Effort, Options};
use benches::report::{Report, Table};
use benches::stats::quantile;
use bytes::Bytes;
use cache_core::{Backend, Entry, Key, Meta, Stamp, Timestamp};
use cache_s3::{ObjectBackend, ObjectConfig};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use server::Server;

/// Gets under way at once.
const AT_ONCE: usize = 32;
/// Objects of each length.
const OBJECTS: usize = 16;
const LENS: [usize; 2] = [64 << 10, 4 << 20];

/// Who is asked.
enum Contender {
    Reelcache(ObjectBackend, Vec<Key>),
    Bare(AmazonS3, Vec<Path>),
}

impl Contender {
    /// Reads object `number` and answers with its length.
    async fn get(&self, number: usize) -> usize {
        match self {
            Self::Reelcache(backend, keys) => {
                let entry = backend.get(&keys[number % OBJECTS]).await.expect("an answer");
                entry.expect("an entry").body.len()
            }
            Self::Bare(store, names) => {
                let answer = store.get(&names[number % OBJECTS]).await.expect("an answer");
                answer.bytes().await.expect("a body").len()
            }
        }
    }

    /// Gets for `span`; bytes in a second, in MiB.
    async fn slice(&self, span: Duration) -> f64 {
        let mut under_way: FuturesUnordered<_> = (0..AT_ONCE).map(|number| self.get(number)).collect();
        let (began, mut bytes, mut next) = (Instant::now(), 0, AT_ONCE);
        while began.elapsed() < span {
            bytes += under_way.next().await.expect("a get under way");
            under_way.push(self.get(next));
            next += 1;
        }
        let speed = bytes as f64 / began.elapsed().as_secs_f64() / f64::from(1 << 20);
        // Their connections go back to where they are reused.
        while under_way.next().await.is_some() {}
        speed
    }
}

fn main() -> ExitCode {
    options::run(measured)
}

fn measured(options: &Options) -> Result<(), String> {
    let (rounds, span) = match options.effort {
        Effort::Try => (1, Duration::from_millis(50)),
        Effort::Quick => (7, Duration::from_millis(500)),
        Effort::Full => (21, Duration::from_secs(1)),
    };
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut report = Report::new("s3", options.folder.clone());
    report.say(format!(
        "#### Gets from an S3 server, {AT_ONCE} at once\n\nMiB in a second, median of {rounds} slices; the server takes \
         part of the same machine. The ratio is the median of those of the rounds:"
    ));
    let mut table = Table::new(["body", "Reelcache", "bare object_store", "ratio"]);
    for len in LENS {
        let mut speeds = [Vec::new(), Vec::new()];
        runtime.block_on(async {
            let contenders = contenders(&server, len).await;
            for contender in &contenders {
                contender.slice(span / 4).await;
            }
            for round in 0..rounds {
                for step in 0..2 {
                    let at = (round + step) % 2;
                    speeds[at].push(contenders[at].slice(span).await);
                }
            }
        });
        let mut ratios: Vec<f64> = speeds[0].iter().zip(&speeds[1]).map(|(ours, bare)| ours / bare).collect();
        let mut median = |figures: &mut Vec<f64>| quantile(figures, 0.5).unwrap_or(f64::NAN);
        let figures = speeds.each_mut().map(&mut median).map(|speed| format!("{speed:.0}"));
        let ratio = format!("{:.2}", median(&mut ratios));
        table.row([format!("{} KiB", len >> 10)].into_iter().chain(figures).chain([ratio]));
    }
    report.say(table.markdown());
    report.finish().map_err(|error| format!("writing the report: {error}"))
}

/// Both, over objects of the same length.
async fn contenders(server: &Server, len: usize) -> [Contender; 2] {
    let config = ObjectConfig::parse(&server.url(&format!("cache-{len}"))).expect("a URL");
    let backend = ObjectBackend::open(config).await.expect("an open backend");
    let url = server.url("");
    let (bucket, options) = url.split_once("/?").expect("options in the URL");
    let bucket = bucket.trim_start_matches("s3://");
    let builder = AmazonS3Builder::new().with_bucket_name(bucket).with_allow_http(true);
    let options = options.split('&').filter_map(|option| option.split_once('='));
    let builder = options.fold(builder, |builder, (name, value)| {
        builder.with_config(name.parse().expect("an option of the library"), value)
    });
    let store = builder.build().expect("a client");
    let (mut keys, mut names) = (Vec::new(), Vec::new());
    for number in 0..OBJECTS {
        let body = Bytes::from(vec![number as u8; len]);
        let key = Key::of("video").part(number).build().expect("a key");
        let name = Path::from(format!("bare-{len}/{number}"));
        let meta = Meta::new(Stamp::from_u64(1), Timestamp::EPOCH);
        backend.put(&key, Entry::new(meta, body.clone())).await.expect("a put");
        store.put_opts(&name, body.into(), object_store::PutOptions::default()).await.expect("a put");
        keys.push(key);
        names.push(name);
    }
    [Contender::Reelcache(backend, keys), Contender::Bare(store, names)]
}
