//! The format CSV: `key[,bytes[,cost_ms]]` in each line.

use std::str::{self, FromStr};

use super::{Columns, Numbering, TraceError};

/// Columns at most.
const COLUMNS: usize = 3;

/// Reads the content of a file.
pub(super) fn parse(content: &[u8]) -> Result<Columns, TraceError> {
    let text = str::from_utf8(content).map_err(|_| TraceError("neither CTR1 nor text".to_owned()))?;
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).peekable();
    lines.next_if(|(_, line)| line.split(',').next().is_some_and(|key| key.trim() == "key"));
    let width = lines.peek().map_or(0, |(_, line)| line.split(',').count());
    if width > COLUMNS {
        return Err(TraceError(format!("{width} columns, where `key,bytes,cost_ms` are known")));
    }
    let (mut keys, mut numbering) = (Vec::new(), Numbering::default());
    let (mut bytes, mut costs) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != width {
            let columns = fields.len();
            return Err(TraceError(format!("line {number} has {columns} columns, the lines before it have {width}")));
        }
        keys.push(numbering.of(fields[0]));
        if let Some(field) = fields.get(1) {
            bytes.push(parsed::<u64>(field, "bytes", number)?);
        }
        if let Some(field) = fields.get(2) {
            costs.push(parsed::<u32>(field, "cost_ms", number)?);
        }
    }
    Ok(Columns { keys, bytes: (width > 1).then_some(bytes), costs: (width > 2).then_some(costs) })
}

fn parsed<T: FromStr>(field: &str, column: &str, line: usize) -> Result<T, TraceError> {
    field.parse().map_err(|_| TraceError(format!("line {line}: {field:?} is no number for `{column}`")))
}
