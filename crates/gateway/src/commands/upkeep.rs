//! `clear`, `sweep` and `verify`.

use cache_core::Result;
use serde_json::json;

use super::Out;
use crate::access::Access;
use crate::cli::{ClearArgs, Target, VerifyArgs};
use crate::exit::Exit;
use crate::ops::{Cursor, Dropped};
use crate::text::one_line;
use crate::units::ByteCount;

pub(super) async fn clear(access: &Access, args: &ClearArgs) -> Result<Exit> {
    let cleared = access.clear(&args.pattern, args.dry_run).await?;
    let mut out = Out::open()?;
    if args.target.json {
        out.json(&cleared).await?;
    } else {
        let verb = if cleared.dry_run { "would remove" } else { "removed" };
        out.write(|out| {
            for tier in &cleared.tiers {
                writeln!(out, "{}: {verb} {}", tier.tier, tier.entries)?;
            }
            Ok(())
        })
        .await?;
    }
    let mut exit = Exit::Done;
    for tier in &cleared.tiers {
        if let Some(error) = &tier.error {
            crate::complain(&format!("{}: the count is not all: {}", tier.tier, one_line(error)));
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

pub(super) async fn sweep(access: &Access, target: &Target) -> Result<Exit> {
    let mut all = Dropped::default();
    loop {
        let step = access.sweep().await?;
        all.expired += step.expired;
        all.bytes += step.bytes;
        if !step.more {
            break;
        }
    }
    let mut out = Out::open()?;
    if target.json {
        out.json(&all).await?;
    } else {
        out.write(|out| writeln!(out, "dropped {} expired entries, {}", all.expired, ByteCount(all.bytes))).await?;
    }
    Ok(Exit::Done)
}

/// Damaged entries make it fail, unless each was put again.
pub(super) async fn verify(access: &Access, args: &VerifyArgs) -> Result<Exit> {
    let (mut out, mut next) = (Out::open()?, Some(Cursor::default()));
    let (mut checked, mut bytes, mut damaged, mut repaired) = (0_u64, 0_u64, 0_u64, 0_u64);
    while let Some(cursor) = next {
        let step = access.verify(&cursor, args.repair).await?;
        checked += step.checked;
        bytes += step.bytes;
        for damage in &step.damaged {
            damaged += 1;
            repaired += u64::from(damage.repaired);
            if args.target.json {
                out.json(damage).await?;
            } else {
                let what = if damage.repaired { "put again" } else { "dropped" };
                let told = format!("{}: damaged, {what}: {}", damage.tier, one_line(&damage.key));
                out.write(|out| writeln!(out, "{told}")).await?;
            }
        }
        next = step.next;
    }
    if args.target.json {
        out.json(&json!({ "checked": checked, "bytes": bytes, "damaged": damaged, "repaired": repaired })).await?;
    } else {
        out.write(|out| {
            writeln!(out, "read {checked} entries, {}: {damaged} damaged, {repaired} put again", ByteCount(bytes))
        })
        .await?;
    }
    Ok(if damaged > repaired { Exit::Failed } else { Exit::Done })
}
