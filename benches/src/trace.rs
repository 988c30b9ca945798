//! `Trace`: the requests that a cache is asked to serve, recorded or made.

mod csv;
mod ctr;

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::Path;

use crate::random::{Random, mix};

/// How files compressed with Zstandard begin.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Seconds that making a value takes, where no trace tells: a log-normal distribution between these, as media jobs
/// take. Its median is their geometric mean, 67 s, and they are two deviations from it.
const COSTS: [f64; 2] = [15.0, 300.0];

/// One request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The key's number: keys are numbered from 0 in order of first appearance.
    pub key: u32,
    /// Milliseconds that making the value again takes.
    pub cost: u32,
    /// Bytes of the value, at least 1; 1 in traces without.
    pub bytes: u64,
}

/// The requests that a cache is asked to serve, in order.
///
/// The bytes of a key may differ from request to request; a cache holds those of the request that made it load.
///
/// # Files
/// Both formats may be compressed with Zstandard.
///
/// * **CTR1**: the four bytes `CTR1`; flags in 32 bits, bit 0 for bytes present, the others 0; the number n of requests
///   in 64 bits; n keys of 32 bits, numbered from 0 in order of first appearance; then, if flagged, n numbers of 32 bits
///   for the bytes. All little-endian, and nothing after.
/// * **CSV**: `key[,bytes[,cost_ms]]` in each line. The key is any text without a comma, there is no quoting. A first line that
///   starts with `key` is a heading. All lines have the same number of columns.
///
/// Costs that are not recorded are made up from the key's number: 15 to 300 s, log-normal, with a median of 67 s.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// Its name in reports.
    pub name: String,
    /// The requests.
    pub requests: Vec<Request>,
    /// Number of distinct keys.
    pub keys: usize,
    /// Sum of the bytes of the distinct keys, each as large as it ever is.
    pub bytes: u64,
    /// Whether bytes are told.
    pub sized: bool,
    /// Whether costs are told.
    pub costs_recorded: bool,
}

impl Trace {
    /// Reads a file in one of the formats.
    ///
    /// # Errors
    /// The file cannot be read, or is no trace.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let told = |reason: &dyn fmt::Display| TraceError(format!("{}: {reason}", path.display()));
        let content = fs::read(path).map_err(|error| told(&error))?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = file.split('.').next().unwrap_or_default();
        Self::parse(name, &content).map_err(|error| told(&error))
    }

    /// Reads the content of a file in one of the formats.
    ///
    /// # Errors
    /// It is no trace.
    pub fn parse(name: &str, content: &[u8]) -> Result<Self, TraceError> {
        let unpacked;
        let content = if content.starts_with(&ZSTD) {
            unpacked = zstd::decode_all(content).map_err(|error| TraceError(format!("not Zstandard: {error}")))?;
            &unpacked[..]
        } else {
            content
        };
        let raw = if content.starts_with(&ctr::MAGIC) { ctr::parse(content)? } else { csv::parse(content)? };
        if raw.keys.is_empty() {
            return Err(TraceError("no requests".to_owned()));
        }
        Ok(Self::new(name, &raw))
    }

    /// A trace of these columns.
    #[must_use]
    pub fn new(name: &str, raw: &Columns) -> Self {
        let mut largest: Vec<u64> = Vec::new();
        let mut requests = Vec::with_capacity(raw.keys.len());
        for (at, &key) in raw.keys.iter().enumerate() {
            let bytes = raw.bytes.as_ref().map_or(1, |bytes| bytes[at].max(1));
            match largest.get_mut(key as usize) {
                Some(largest) => *largest = bytes.max(*largest),
                None => largest.push(bytes),
            }
            let cost = raw.costs.as_ref().map_or_else(|| made_up_cost(key), |costs| costs[at]);
            requests.push(Request { key, cost, bytes });
        }
        Self {
            name: name.to_owned(),
            requests,
            keys: largest.len(),
            bytes: largest.iter().sum(),
            sized: raw.bytes.is_some(),
            costs_recorded: raw.costs.is_some(),
        }
    }

    /// Room for a share of the distinct keys, or of their bytes if these are told; at least 1.
    #[must_use]
    pub fn capacity(&self, share: f64) -> u64 {
        ((self.bytes as f64 * share) as u64).max(1)
    }

    /// Seconds that all requests would take without a cache.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.requests.iter().map(|request| f64::from(request.cost)).sum::<f64>() / 1000.0
    }

    /// What capacities are shares of.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        if self.sized { "bytes" } else { "keys" }
    }

    /// How many entries of the mean weight `capacity` has room for; at least 1.
    #[must_use]
    pub fn entries(&self, capacity: u64) -> usize {
        ((capacity as f64 * self.keys as f64 / self.bytes as f64) as usize).max(1)
    }
}

/// The columns of a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Keys, numbered from 0 in order of first appearance.
    pub keys: Vec<u32>,
    /// Bytes of the value of each request, if told.
    pub bytes: Option<Vec<u64>>,
    /// Milliseconds that making the value takes, of each request, if told.
    pub costs: Option<Vec<u32>>,
}

/// Numbers keys in order of first appearance.
#[derive(Debug, Clone)]
pub struct Numbering<K>(HashMap<K, u32>);

impl<K: std::hash::Hash + Eq> Numbering<K> {
    /// The number of `key`.
    pub fn of(&mut self, key: K) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(key).or_insert(next)
    }
}

impl<K> Default for Numbering<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceError(String);

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for TraceError {}

fn made_up_cost(key: u32) -> u32 {
    let [least, most] = COSTS.map(f64::ln);
    let normal = Random::new(mix(u64::from(key) + 1)).normal();
    let seconds = (f64::midpoint(least, most) + normal * (most - least) / 4.0).clamp(least, most).exp();
    (seconds * 1000.0).round() as u32
}
