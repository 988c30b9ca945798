//! `du`: entries by the first parts of their keys, and the bytes of each tier.

use std::collections::BTreeMap;

use cache_core::{Key, KeyPrefix, Result};
use serde_json::json;

use super::Out;
use crate::access::Access;
use crate::cli::DuArgs;
use crate::exit::Exit;
use crate::ops;
use crate::text::write_table;
use crate::units::ByteCount;

/// Groups that are told apart at most; what comes after is one more.
const MOST_GROUPS: usize = 10_000;
/// What that one is called.
const OTHERS: &str = "(others)";

pub(super) async fn run(access: &Access, args: &DuArgs) -> Result<Exit> {
    let groups = count(access, usize::from(args.depth)).await?;
    let stats = access.stats().await?;
    let tiers = stats["tiers"].as_array().cloned().unwrap_or_default();
    let held = tiers.iter().map(|tier| {
        let usage = &tier["usage"];
        (tier["name"].as_str().unwrap_or("?").to_owned(), usage["entries"].as_u64(), usage["bytes"].as_u64())
    });
    let mut out = Out::open()?;
    if args.target.json {
        let tiers = held.map(|(tier, entries, bytes)| json!({ "tier": tier, "entries": entries, "bytes": bytes }));
        out.json(&json!({ "tiers": tiers.collect::<Vec<_>>(), "entries": groups })).await?;
    } else {
        let told = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        let rows: Vec<_> = held
            .map(|(tier, entries, bytes)| {
                vec![told(entries), bytes.map_or("-".to_owned(), |bytes| ByteCount(bytes).to_string()), tier]
            })
            .collect();
        let groups: Vec<_> = groups.iter().map(|(group, entries)| vec![entries.to_string(), group.clone()]).collect();
        out.write(|out| {
            write_table(out, &["entries", "held", "tier"], &rows)?;
            writeln!(out)?;
            write_table(out, &["entries", "below"], &groups)
        })
        .await?;
    }
    Ok(Exit::Done)
}

/// How many entries there are below the first `depth` parts of their keys.
async fn count(access: &Access, depth: usize) -> Result<BTreeMap<String, u64>> {
    let (mut groups, mut after) = (BTreeMap::new(), None::<Key>);
    loop {
        let page = access.page(&KeyPrefix::all(), after.as_ref(), ops::LARGEST_PAGE).await?;
        for entry in &page.entries {
            let group = entry.key.split(':').take(depth).collect::<Vec<_>>().join(":");
            let is_new = groups.len() >= MOST_GROUPS && !groups.contains_key(&group);
            *groups.entry(if is_new { OTHERS.to_owned() } else { group }).or_default() += 1;
        }
        match page.next {
            Some(next) => after = Some(Key::parse(&next)?),
            None => return Ok(groups),
        }
    }
}
