//! `ls`, `get` and `explain`.

use std::time::Duration;

use cache_core::{Key, KeyPrefix, Result};

use super::Out;
use crate::access::Access;
use crate::cli::{GetArgs, KeyArgs, LsArgs};
use crate::exit::Exit;
use crate::ops::{self, Listed};
use crate::text::{one_line, roughly, write_table};
use crate::units::Span;

const HEAD: [&str; 6] = ["state", "age", "left", "made in", "type", "key"];

pub(super) async fn list(access: &Access, args: &LsArgs) -> Result<Exit> {
    let prefix = args.prefix.clone().unwrap_or_else(KeyPrefix::all);
    let (mut out, mut left, mut after) = (Out::open()?, args.limit.unwrap_or(u64::MAX), None::<Key>);
    while left > 0 && !out.is_gone {
        let limit = usize::try_from(left).unwrap_or(usize::MAX).min(ops::LARGEST_PAGE);
        let page = access.page(&prefix, after.as_ref(), limit).await?;
        left -= page.entries.len() as u64;
        if args.target.json {
            out.json_lines(&page.entries).await?;
        } else {
            let rows: Vec<_> = page.entries.iter().map(|entry| row(entry, page.now_ms)).collect();
            out.write(|out| write_table(out, &HEAD, &rows)).await?;
        }
        match page.next {
            Some(next) => after = Some(Key::parse(&next)?),
            None => break,
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn get(access: &Access, args: &GetArgs) -> Result<Exit> {
    let Some(found) = access.entry(&args.key).await? else { return Ok(absent(&args.key)) };
    let mut out = Out::open()?;
    if args.target.json {
        out.json(&serde_json::json!({ "entry": found.meta, "bytes": found.body.len() })).await?;
    } else {
        out.write(|out| out.write_all(&found.body)).await?;
    }
    Ok(Exit::Done)
}

pub(super) async fn explain(access: &Access, args: &KeyArgs) -> Result<Exit> {
    let explained = access.explain(&args.key).await?;
    let mut out = Out::open()?;
    if args.target.json {
        out.json(&explained).await?;
    } else {
        out.write(|out| {
            let served = explained.served.as_ref();
            writeln!(out, "{}", one_line(&explained.key))?;
            let told = served.map_or("nothing: a read is a miss".to_owned(), |entry| entry.state.name().to_owned());
            writeln!(out, "served: {told}")?;
            let rows: Vec<Vec<String>> = explained
                .tiers
                .iter()
                .map(|tier| {
                    let mut cells = vec![tier.tier.clone()];
                    match (&tier.entry, &tier.error) {
                        (Some(entry), _) => {
                            let mut row = row(entry, explained.now_ms);
                            row.pop();
                            if served.is_none() {
                                "put out of date".clone_into(&mut row[0]);
                            }
                            row.push(entry.tags.join(" "));
                            cells.extend(row);
                        }
                        (None, Some(error)) => cells.push(format!("cannot say: {error}")),
                        (None, None) => cells.push(if tier.removed { "removed" } else { "absent" }.to_owned()),
                    }
                    cells
                })
                .collect();
            write_table(out, &["tier", "state", "age", "left", "made in", "type", "tags"], &rows)
        })
        .await?;
    }
    if ops::is_absent(&explained) { Ok(Exit::Absent) } else { Ok(Exit::Done) }
}

fn absent(key: &Key) -> Exit {
    crate::complain(&format!("there is no entry of the key {key}"));
    Exit::Absent
}

fn row(entry: &Listed, now_ms: u64) -> Vec<String> {
    let left =
        entry.expires_ms.map_or("-".to_owned(), |end| roughly(Duration::from_millis(end.saturating_sub(now_ms))));
    let cost = Duration::try_from_secs_f64(entry.cost_seconds).unwrap_or_default();
    vec![
        entry.state.name().to_owned(),
        roughly(entry.age(now_ms)),
        left,
        if cost.is_zero() { "-".to_owned() } else { Span(cost).to_string() },
        entry.content_type.clone().unwrap_or_else(|| "-".to_owned()),
        entry.key.clone(),
    ]
}
