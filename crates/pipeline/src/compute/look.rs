//! Which parts of an artifact are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Result};
use futures_util::{StreamExt, stream};

use crate::origin::LOADED;
use crate::output::{Piece, Spill, Tally};
use crate::part::{self, Table};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::{AnyStage, Coverage, Segment, Selection, Span};

/// A part that is there.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) segment: Segment,
    pub(crate) table: Table,
    pub(crate) bytes: Bytes,
    /// The tier that gave it.
    pub(crate) origin: Arc<str>,
    /// The numbers of its bundles that are not there.
    pub(crate) gone: Vec<u32>,
}

/// What of a selection is there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The segments that lie in the selection, in order.
    pub(crate) wanted: Vec<Segment>,
    /// One for each of `wanted`.
    pub(crate) held: Vec<Option<Held>>,
    pub(crate) segments: u32,
    /// Who knows what several parts have together; `None` where there are none.
    stage: Option<Arc<dyn AnyStage>>,
    /// Segments that the caller had computed.
    pub(crate) computed: Vec<u32>,
    pub(crate) tally: Tally,
    /// What no tier had room for.
    pub(crate) spill: Option<Arc<Spill>>,
}

/// Parts read at a time.
const PARTS: usize = 128;
/// Bundles asked about at a time.
const BUNDLES: usize = 16;

/// Looks for the parts that `selection` needs, and for their bundles. Reads no bodies.
pub(crate) async fn look(shared: &Shared, resolved: &Resolved, selection: &Selection) -> Result<Snapshot> {
    look_beside(shared, resolved, selection, &HashMap::new()).await
}

/// The same; parts that the tiers do not have are taken from `handed`, by segment.
pub(super) async fn look_beside(
    shared: &Shared,
    resolved: &Resolved,
    selection: &Selection,
    handed: &HashMap<u32, Bytes>,
) -> Result<Snapshot> {
    let wanted: Vec<Segment> =
        resolved.axis.indices(selection.span).map(|index| resolved.axis.segment(index)).collect();
    let stage = Some(resolved.stage.clone());
    let mut snapshot = Snapshot { segments: resolved.axis.count(), stage, ..Snapshot::default() };
    for some in wanted.chunks(PARTS) {
        let keys = some.iter().map(|segment| resolved.part_key(segment.index)).collect::<Result<Vec<_>>>()?;
        let lookups = shared.tiers.lookup_many(&keys).await;
        for (segment, lookup) in some.iter().zip(lookups) {
            let held = |bytes: Bytes, origin| {
                let table = part::table(&bytes).filter(|table| table.axis == resolved.axis)?;
                Some(Held { segment: *segment, table, bytes, origin, gone: Vec::new() })
            };
            let found = lookup.found.and_then(|found| held(found.entry.body, found.name));
            let handed = || held(handed.get(&segment.index)?.clone(), LOADED.into());
            snapshot.held.push(found.or_else(handed));
            snapshot.wanted.push(*segment);
        }
        if snapshot.has_enough(selection) {
            break;
        }
    }
    confirm_bundles(shared, resolved, &mut snapshot).await?;
    Ok(snapshot)
}

/// Marks the parts that lack bundles: a part alone is not worth anything to who wants its pictures.
async fn confirm_bundles(shared: &Shared, resolved: &Resolved, snapshot: &mut Snapshot) -> Result<()> {
    let mut asked = Vec::new();
    for (at, held) in snapshot.held.iter().enumerate() {
        let Some(held) = held else { continue };
        for (number, bundle) in (0..).zip(&held.table.bundles) {
            asked.push((at, number, resolved.bundle_key(held.segment.index, number)?, bundle.etag()));
        }
    }
    let mut answers = stream::iter(asked)
        .map(|(at, number, key, etag)| async move {
            let meta = shared.tiers.stat(&key).await.ok().flatten();
            (at, number, meta.and_then(|meta| meta.etag).is_some_and(|found| *found == *etag))
        })
        .buffer_unordered(BUNDLES);
    while let Some((at, number, there)) = answers.next().await {
        if let (false, Some(Some(held))) = (there, snapshot.held.get_mut(at)) {
            held.gone.push(number);
        }
    }
    Ok(())
}

impl Snapshot {
    /// That of a source of which nothing is known, and so nothing there.
    pub(crate) fn nothing() -> Self {
        let unknown = Segment { index: 0, span: Span::ALL };
        Self { wanted: vec![unknown], held: vec![None], segments: 1, ..Self::default() }
    }

    /// The segments to be computed for `selection`, in order; none when everything is there.
    pub(crate) fn lacking(&self, selection: &Selection) -> Vec<Segment> {
        let is_lacking = |held: &Option<Held>| !held.as_ref().is_some_and(Held::is_whole);
        let lacking = self.wanted.iter().zip(&self.held).filter(|(_, held)| is_lacking(held));
        let lacking: Vec<Segment> = lacking.map(|(segment, _)| *segment).collect();
        let is_enough = !lacking.is_empty() && self.still_wanted(selection) == Some(0);
        if is_enough { Vec::new() } else { lacking }
    }

    /// The bundles that are gone of segments of which no more than half are, where it is known when they are: more of them
    /// cost less in one pass.
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for held in self.held.iter().flatten().filter(|held| 2 * held.gone.len() <= held.table.bundles.len()) {
            for number in &held.gone {
                let bundle = held.table.bundles.get(*number as usize);
                pieces.extend(bundle.and_then(|bundle| {
                    let segment = Segment { span: bundle.span?, ..held.segment };
                    Some(Piece { segment, number: *number, bundle: bundle.clone() })
                }));
            }
        }
        pieces
    }

    /// How many things are still wanted from the first gap on.
    pub(crate) fn still_wanted(&self, selection: &Selection) -> Option<u64> {
        let most = selection.most?;
        let whole = self.held.iter().map_while(|held| held.as_ref().filter(|held| held.is_whole()));
        let whole: Vec<&Held> = whole.collect();
        let apart = || whole.iter().map(|held| held.things(selection)).fold(0, u64::saturating_add);
        Some(most.saturating_sub(self.together(&whole, selection.span).unwrap_or_else(apart)))
    }

    /// How many things there are in all parts.
    pub(crate) fn things(&self) -> u64 {
        let all: Vec<&Held> = self.held.iter().flatten().collect();
        let apart = || all.iter().map(|held| held.table.count).fold(0, u64::saturating_add);
        self.together(&all, Span::ALL).unwrap_or_else(apart)
    }

    fn together(&self, parts: &[&Held], span: Span) -> Option<u64> {
        let parts: Vec<_> = parts.iter().map(|held| (held.segment, &held.bytes[..])).collect();
        self.stage.as_ref()?.things(&parts, span)
    }

    fn has_enough(&self, selection: &Selection) -> bool {
        selection.most.is_some() && !self.held.is_empty() && self.still_wanted(selection) == Some(0)
    }

    /// Takes over what was computed into `spill`.
    pub(super) fn adopt(&mut self, spill: Arc<Spill>, selection: &Selection) {
        for (segment, held) in self.wanted.iter().zip(&mut self.held) {
            if let Some((bytes, table)) =
                spill.parts().get(&segment.index).and_then(|bytes| Some((bytes.clone(), part::table(bytes)?)))
            {
                *held = Some(Held { segment: *segment, table, bytes, origin: LOADED.into(), gone: Vec::new() });
            }
        }
        self.computed = spill.parts().keys().copied().collect();
        self.spill = Some(spill);
        debug_assert!(self.lacking(selection).is_empty());
    }

    pub(crate) fn coverage(&self, selection: &Selection) -> Coverage {
        let mut coverage = Coverage { segments: self.segments, ..Coverage::default() };
        for (segment, held) in self.wanted.iter().zip(&self.held) {
            match held {
                Some(held) if held.is_whole() => coverage.present.push(*segment),
                Some(_) => coverage.partial.push(*segment),
                None => coverage.absent.push(*segment),
            }
        }
        coverage.complete = self.lacking(selection).is_empty();
        coverage
    }
}

impl Held {
    /// Whether all of its bundles are there, too.
    pub(crate) const fn is_whole(&self) -> bool {
        self.gone.is_empty()
    }

    /// Wall time that it took to compute.
    pub(crate) const fn cost(&self) -> Duration {
        Duration::from_micros(self.table.cost_us)
    }

    /// How many things of the selection it has at least. Of a segment that is only in part selected, nobody knows
    /// without its value: none.
    fn things(&self, selection: &Selection) -> u64 {
        let whole = selection.span.intersection(self.segment.span) == self.segment.span;
        if whole { self.table.count } else { 0 }
    }
}
