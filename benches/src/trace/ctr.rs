//! The format CTR1: columns of little-endian numbers.

use super::{Columns, TraceError};

/// How a file begins.
pub(super) const MAGIC: [u8; 4] = *b"CTR1";

/// Bytes before the columns: magic, flags, number of requests.
const HEADER: usize = 16;

/// Reads the content of a file that begins with [`MAGIC`].
pub(super) fn parse(content: &[u8]) -> Result<Columns, TraceError> {
    let (header, columns) =
        content.split_at_checked(HEADER).ok_or_else(|| TraceError("the header is cut off".to_owned()))?;
    let (flags, count) =
        (number(&header[4..8]), u64::from(number(&header[8..12])) | u64::from(number(&header[12..])) << 32);
    if flags > 1 {
        return Err(TraceError(format!("flags {flags:#x} have unknown bits")));
    }
    let width = if flags == 1 { 8 } else { 4 };
    if count.checked_mul(width) != Some(columns.len() as u64) {
        return Err(TraceError(format!(
            "{count} requests take {width} bytes each, but {} bytes follow the header",
            columns.len()
        )));
    }
    let mut numbers = columns.chunks_exact(4).map(number);
    let keys: Vec<u32> = numbers.by_ref().take(count as usize).collect();
    let mut seen = 0;
    for (at, &key) in keys.iter().enumerate() {
        if key > seen {
            return Err(TraceError(format!("request {at} is for key {key}, though only {seen} keys came before")));
        }
        seen = seen.max(key + 1);
    }
    let bytes = (flags == 1).then(|| numbers.map(u64::from).collect());
    Ok(Columns { keys, bytes, costs: None })
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}
