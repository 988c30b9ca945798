//! `warm`: links brought into the cache.

use cache_core::Result;

use super::Out;
use crate::access::Access;
use crate::cli::WarmArgs;
use crate::config::Effective;
use crate::exit::Exit;
use crate::ops::{self, Wanted};
use crate::text::one_line;

/// An address that fails is told and leaves the others alone; the command then fails in the end.
pub(super) async fn run(access: &Access, effective: &Effective, args: &WarmArgs) -> Result<Exit> {
    let (mut out, mut exit) = (Out::new(), Exit::Done);
    let warmer = access.warmer(effective).await?;
    for addresses in args.addresses.chunks(ops::WARM_STEP) {
        let wanted = Wanted { provider: args.provider.clone(), addresses: addresses.to_vec() };
        let looked_up = warmer.warm(&wanted).await?;
        if args.target.json {
            out.json_lines(&looked_up)?;
        }
        for warmed in looked_up {
            let address = one_line(&warmed.address);
            match (&warmed.error, &warmed.origin) {
                (Some(error), _) => {
                    exit = Exit::Failed;
                    if !args.target.json {
                        crate::complain(&format!("{address}: {}", one_line(error)));
                    }
                }
                (None, origin) if !args.target.json => {
                    let origin = origin.as_deref().unwrap_or("?");
                    out.write(|out| writeln!(out, "{origin}: {} links: {address}", warmed.links))?;
                }
                _ => {}
            }
        }
    }
    warmer.close().await?;
    Ok(exit)
}
