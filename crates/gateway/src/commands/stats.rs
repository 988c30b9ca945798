//! `stats`: what the tiers hold and how they answered.

use std::io::Write;
use std::time::Duration;

use cache_core::{Outcome, Result};
use serde_json::Value;

use super::Out;
use crate::access::Access;
use crate::cli::StatsArgs;
use crate::exit::Exit;
use crate::text::write_table;
use crate::units::ByteCount;

pub(super) async fn run(access: &Access, args: &StatsArgs) -> Result<Exit> {
    let mut out = Out::open()?;
    let mut ticks = args.watch.map(|seconds| tokio::time::interval(Duration::from_secs(seconds)));
    loop {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        let stats = access.stats().await?;
        if args.target.json {
            out.json(&stats).await?;
        } else {
            out.write(|out| write_tables(out, &stats)).await?;
        }
        if ticks.is_none() || out.is_gone {
            return Ok(Exit::Done);
        }
    }
}

fn write_tables(out: &mut dyn Write, stats: &Value) -> std::io::Result<()> {
    let tiers = stats["tiers"].as_array().map(Vec::as_slice).unwrap_or_default();
    write_table(out, &["tier", "entries", "held", "budget", "evicted", "expired", "corrupt"], &held(tiers))?;
    writeln!(out)?;
    let names = Outcome::ALL.map(Outcome::name);
    let head: Vec<&str> = std::iter::once("tier").chain(names).collect();
    let row = |tier: &Value| {
        let counts = names.iter().map(|&name| number(&tier["outcomes"][name]));
        std::iter::once(text(&tier["name"])).chain(counts).collect()
    };
    write_table(out, &head, &tiers.iter().map(row).collect::<Vec<_>>())?;
    writeln!(out)
}

fn held(tiers: &[Value]) -> Vec<Vec<String>> {
    let row = |tier: &Value| {
        let usage = &tier["usage"];
        let about = if usage["exact"] == false { "about " } else { "" };
        vec![
            text(&tier["name"]),
            format!("{about}{}", number(&usage["entries"])),
            format!("{about}{}", bytes(&usage["bytes"])),
            bytes(&usage["capacity"]),
            number(&usage["evicted"]),
            number(&usage["expired"]),
            number(&usage["corrupt"]),
        ]
    };
    tiers.iter().map(row).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

fn number(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), |number| number.to_string())
}

fn bytes(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), |bytes| ByteCount(bytes).to_string())
}
