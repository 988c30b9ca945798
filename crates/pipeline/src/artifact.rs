//! `Artifact`: what was found or computed for one source, of one kind.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};

use crate::compute::Snapshot;
use crate::identity::Identity;
use crate::output::Spill;
use crate::part::{self, BUNDLE_BYTES, Place};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::{BodyInfo, BodyRef, Coverage, Kind, Selection};

/// What was found or computed for one source, of one kind. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Artifact<K> {
    value: Arc<K>,
    coverage: Arc<Coverage>,
    bodies: Bodies,
}

/// Where the bodies of an artifact are.
#[derive(Debug, Clone)]
struct Bodies {
    shared: Arc<Shared>,
    resolved: Arc<Resolved>,
    /// By segment.
    segments: Arc<HashMap<u32, Layout>>,
    spill: Option<Arc<Spill>>,
}

/// Where the bodies of one segment are.
#[derive(Debug)]
struct Layout {
    places: Vec<Place>,
    /// What tells each bundle.
    etags: Vec<String>,
}

/// A body and the tier that gave it.
pub(crate) type Found = (Bytes, Arc<str>);

impl<K: Kind> Artifact<K> {
    pub(crate) fn assemble(
        shared: Arc<Shared>,
        resolved: Arc<Resolved>,
        snapshot: &Snapshot,
        selection: &Selection,
    ) -> Result<Self> {
        let coverage = Arc::new(snapshot.coverage(selection));
        let (mut parts, mut segments) = (Vec::new(), HashMap::new());
        for held in snapshot.held.iter().flatten() {
            let value: K = part::value(&held.bytes).ok_or_else(|| unreadable(&resolved))?;
            let etags = held.table.bundles.iter().map(part::Bundle::etag).collect();
            segments.insert(held.segment.index, Layout { places: held.table.places(), etags });
            parts.push((held.segment, value));
        }
        let mut value = K::join(parts);
        if selection.span != crate::Span::ALL {
            value = value.within(selection.span);
        }
        if let Some(most) = selection.most {
            value.truncate(most);
        }
        let bodies = Bodies { shared, resolved, segments: Arc::new(segments), spill: snapshot.spill.clone() };
        Ok(Self { value: Arc::new(value), coverage, bodies })
    }

    /// The value: what is selected of what is there.
    pub const fn value(&self) -> &Arc<K> {
        &self.value
    }

    /// Which segments it was put together from.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// What it is.
    pub fn identity(&self) -> &Identity {
        &self.bodies.resolved.identity
    }

    /// What is known of a body without reading it; `None` for one of another artifact.
    pub fn info(&self, body: BodyRef) -> Option<BodyInfo> {
        Some(self.bodies.place(body)?.info)
    }

    /// The bodies, in their order. Those of one bundle, of at most 2 MiB, are read together; ask for as many at a time
    /// as you want in memory.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when one is gone or damaged meanwhile: ask for the artifact again.
    pub async fn bodies(&self, bodies: &[BodyRef]) -> Result<Vec<Bytes>> {
        let found = self.bodies.read(bodies).await?;
        found.map(|found| found.into_iter().map(|(body, _)| body).collect()).ok_or_else(|| {
            let name = K::NAME;
            Error::new(ErrorKind::Corrupt, format!("bodies of {name} were evicted while they were read: ask again"))
        })
    }

    /// Whether both have the same bodies, told by their hashes.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let infos = |artifact: &Self| -> Vec<_> {
            artifact.value.bodies().into_iter().map(|body| (body, artifact.info(body))).collect()
        };
        self.value.times() == other.value.times() && infos(self) == infos(other)
    }

    /// How many of the first of `bodies` to read at once: those of a few bundles.
    pub(crate) fn batch(&self, bodies: &[BodyRef]) -> usize {
        let mut bytes = 0_u64;
        let fits = |(at, body): &(usize, &BodyRef)| {
            bytes = bytes.saturating_add(self.info(**body).map_or(0, |info| info.len));
            *at == 0 || bytes <= 4 * BUNDLE_BYTES
        };
        bodies.iter().enumerate().take_while(fits).count()
    }

    /// As [`bodies`](Self::bodies), with the tiers that gave them; `None` when one is gone.
    pub(crate) async fn try_bodies(&self, bodies: &[BodyRef]) -> Result<Option<Vec<Found>>> {
        self.bodies.read(bodies).await
    }
}

impl Bodies {
    fn place(&self, body: BodyRef) -> Option<Place> {
        self.segments.get(&body.segment)?.places.get(body.number as usize).copied()
    }

    fn etag(&self, (segment, number): (u32, u32)) -> Option<&str> {
        self.segments.get(&segment)?.etags.get(number as usize).map(String::as_str)
    }

    async fn read(&self, bodies: &[BodyRef]) -> Result<Option<Vec<Found>>> {
        let Some(places) =
            bodies.iter().map(|body| Some((body.segment, self.place(*body)?))).collect::<Option<Vec<_>>>()
        else {
            return Ok(None);
        };
        let mut bundles: Vec<(u32, u32)> = places.iter().map(|(segment, place)| (*segment, place.bundle)).collect();
        bundles.sort_unstable();
        bundles.dedup();
        let Some(found) = self.bundles(&bundles).await? else { return Ok(None) };
        let cut = |(segment, place): (u32, Place)| {
            let at = bundles.binary_search(&(segment, place.bundle)).ok()?;
            let (bytes, origin) = found.get(at)?;
            let (start, len) = (usize::try_from(place.offset).ok()?, usize::try_from(place.info.len).ok()?);
            (start.checked_add(len)? <= bytes.len()).then(|| (bytes.slice(start..start + len), origin.clone()))
        };
        Ok(places.into_iter().map(cut).collect())
    }

    async fn bundles(&self, bundles: &[(u32, u32)]) -> Result<Option<Vec<Found>>> {
        let mut found = Vec::with_capacity(bundles.len());
        let mut stored = Vec::new();
        for &(segment, number) in bundles {
            match &self.spill {
                Some(spill) if spill.parts().contains_key(&segment) => {
                    let Some(bytes) = spill.read(segment, number).await? else { return Ok(None) };
                    found.push(Some((bytes, crate::origin::LOADED.into())));
                }
                _ => {
                    stored.push((found.len(), self.resolved.bundle_key(segment, number)?));
                    found.push(None);
                }
            }
        }
        let keys: Vec<_> = stored.iter().map(|(_, key)| key.clone()).collect();
        let lookups = if keys.is_empty() { Vec::new() } else { self.shared.tiers.lookup_many(&keys).await };
        for ((at, _), lookup) in stored.iter().zip(lookups) {
            let expected = self.etag(bundles[*at]);
            let hit = lookup.found.filter(|hit| hit.entry.meta.etag.as_deref() == expected);
            found[*at] = hit.map(|hit| (hit.entry.body, hit.name));
        }
        Ok(found.into_iter().collect())
    }
}

fn unreadable(resolved: &Resolved) -> Error {
    let kind = resolved.kind.name;
    let message = format!("a cached part of {kind} is not what its type says: raise the kind's SCHEMA when it changes");
    Error::new(ErrorKind::Corrupt, message)
}
