//! Computes what no tier keeps into a file of this process, once for all who wait for it.

use std::sync::Arc;
use std::time::Duration;

use cache_core::Result;
use cache_tiered::Load;

use super::units::{Unit, units};
use super::{Call, ROUNDS, Snapshot, perform};
use crate::blame::is_about_another;
use crate::origin::stage_error;
use crate::output::{Job, Spill, Tally};
use crate::{Digest, Pass, Probe, Segment};

/// `snapshot` with what is `lacking`, of which the tiers have kept nothing, or not for long enough.
///
/// Whoever lacks the same at the same time shares one computation, of those that began after the call.
pub(super) async fn spilled(call: &Call<'_>, mut snapshot: Snapshot, lacking: Vec<Segment>) -> Result<Snapshot> {
    let Call { shared, video, resolved, selection, began } = *call;
    let most = snapshot.still_wanted(selection);
    let numbers: Vec<u8> = lacking.iter().flat_map(|segment| segment.index.to_le_bytes()).collect();
    let key = resolved.root.child("spilled").part(shared.instance.as_u64()).part(Digest::of(&numbers));
    let key = key.part(most.unwrap_or(u64::MAX)).build()?;
    let (probe, class) = (video.probe_or_error()?, shared.class(resolved.recipe.resource));
    for _ in 0..ROUNDS {
        let job = call.job(Unit { segments: lacking.clone(), most });
        let probe = probe.clone();
        match shared.jobs.request(&key).class(class).load(move |load| compute(job, probe, load)).await {
            Ok(hit) => {
                if let Some(spill) = hit.value.spill_since(began) {
                    snapshot.adopt(spill.clone(), selection);
                    return Ok(snapshot);
                }
            }
            Err(error) => match stage_error(error) {
                error if is_about_another(&video.source, &error) => {}
                error => return Err(error),
            },
        }
    }
    Err(resolved.error("fails again and again for another file with the same content"))
}

async fn compute(job: Job, probe: Arc<Probe>, load: Load) -> Result<Tally> {
    load.set_lifetime(cache_core::ttl(Duration::ZERO));
    let begun = job.shared.tiers.stamps().tick();
    let mut spill = Spill::create(&job.shared.options.scratch).await?;
    let mut all = Tally::default();
    // What overlaps is less than its parts tell each by itself: how much will do is known in the end.
    let mut most = job.most.filter(|_| !job.resolved.kind.overlaps);
    for Unit { segments, .. } in units(Pass::Run, job.segments.clone(), None) {
        let unit = Job { segments, most, ..job.clone() };
        let (tally, back) = perform(unit, probe.clone(), Some(load.clone()), Some(spill)).await?;
        spill = back.ok_or_else(|| job.resolved.error("lost its spill file"))?;
        all.add(&tally);
        most = most.map(|most| most.saturating_sub(tally.things));
        if most == Some(0) {
            break;
        }
    }
    Ok(all.with_spill(begun, spill))
}
