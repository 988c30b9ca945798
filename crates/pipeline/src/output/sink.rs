//! `Sink`: writes parts and the bundles of their bodies, of whatever kind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use cache_core::{Backend, Entry, Error, ErrorKind, Key, Meta, Result, Stamp};
use cache_tiered::Load;
use serde::Serialize;

use super::{Next, Spill, Tally};
use crate::part::{self, BUNDLE_BODIES, BUNDLE_BYTES, Bundle, Table};
use crate::resolved::Resolved;
use crate::shared::Shared;
use crate::video::Video;
use crate::{BodyInfo, BodyRef, Digest, Segment};

/// What is computed, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) shared: Arc<Shared>,
    pub(crate) video: Arc<Video>,
    pub(crate) resolved: Arc<Resolved>,
    /// Next to each other and in order; at least one.
    pub(crate) segments: Vec<Segment>,
    /// How many things are enough.
    pub(crate) most: Option<u64>,
    /// The bundle that is to come out again, if that is all that is wanted: its span is the one segment's.
    pub(crate) piece: Option<Piece>,
}

/// A bundle that is gone.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) segment: Segment,
    pub(crate) number: u32,
    pub(crate) bundle: Bundle,
}

/// The first and the last of `segments`.
pub(crate) fn ends(segments: &[Segment]) -> Option<(u32, u32)> {
    Some((segments.first()?.index, segments.last()?.index))
}

/// Whether some of `segments`, which are in order, are between these two.
pub(crate) fn overlap((first, last): (u32, u32), segments: &[Segment]) -> bool {
    ends(segments).is_some_and(|(from, to)| from <= last && first <= to)
}

/// What a value tells of itself.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) count: u64,
    pub(super) times: Vec<i64>,
    pub(super) bodies: Vec<BodyRef>,
}

#[derive(Debug)]
pub(crate) struct Sink {
    job: Job,
    /// Taken before the work began, so that an invalidation meanwhile wins.
    stamp: Stamp,
    load: Option<Load>,
    pending: VecDeque<Segment>,
    /// Those of the part under way that are complete.
    bundles: Vec<Bundle>,
    bundle: Bundle,
    bytes: BytesMut,
    numbered: u32,
    began: Instant,
    tally: Tally,
    /// Whether something of the part under way was not kept.
    refused: bool,
    pub(super) spill: Option<Spill>,
}

impl Sink {
    /// A sink into the tiers, or into `spill`.
    pub(crate) fn new(job: Job, load: Option<Load>, spill: Option<Spill>) -> Self {
        let stamp = job.shared.tiers.stamps().tick();
        Self {
            stamp,
            pending: job.segments.iter().copied().collect(),
            load,
            bundles: Vec::new(),
            bundle: Bundle::default(),
            bytes: BytesMut::new(),
            numbered: 0,
            began: Instant::now(),
            tally: Tally::begun(stamp, ends(&job.segments)),
            refused: false,
            spill,
            job,
        }
    }

    /// What was given, once the stage has returned.
    ///
    /// # Errors
    /// When it has returned too early.
    pub(crate) fn finish(self) -> Result<(Tally, Option<Spill>)> {
        match self.pending.front() {
            Some(left) if !self.is_enough() => {
                let kind = self.job.resolved.kind.name;
                let message = format!("the stage of {kind} has given nothing for segment {}", left.index);
                Err(Error::new(ErrorKind::Internal, message))
            }
            _ => Ok((self.tally, self.spill)),
        }
    }

    pub(super) async fn body(&mut self, body: Bytes) -> Result<BodyRef> {
        if body.len() as u64 > Entry::MAX_BODY {
            let message = format!("a body of {} bytes exceeds the {} allowed", body.len(), Entry::MAX_BODY);
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let segment = self.pending.front().ok_or_else(|| self.out_of_turn(None))?.index;
        let after = self.bytes.len() as u64 + body.len() as u64;
        let full = self.bundle.bodies.len() == BUNDLE_BODIES || (after > BUNDLE_BYTES && !self.bytes.is_empty());
        if full && self.job.piece.is_some() {
            return Err(Error::new(ErrorKind::Internal, "a piece came out with more bodies than it had"));
        }
        if full {
            self.flush().await?;
        }
        self.bundle.bodies.push(BodyInfo { len: body.len() as u64, digest: Digest::of(&body) });
        self.bytes.extend_from_slice(&body);
        let number = self.numbered;
        self.numbered += 1;
        Ok(BodyRef { segment, number })
    }

    pub(super) async fn part(&mut self, segment: Segment, facts: Facts, value: &impl Serialize) -> Result<Next> {
        if self.pending.front() != Some(&segment) {
            return Err(self.out_of_turn(Some(segment)));
        }
        let Facts { count, times, bodies } = facts;
        self.check(&bodies)?;
        if let Some(piece) = self.job.piece.clone() {
            return self.mend(&piece).await;
        }
        self.flush().await?;
        let cost_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (bundles, axis) = (std::mem::take(&mut self.bundles), self.job.resolved.axis);
        let mut table = Table { count, cost_us, bundles, axis };
        table.set_times(&times);
        let encoded = part::encode(&table, value)?;
        self.job.video.confirm(&self.job.shared, "processed").await?;
        let key = self.job.resolved.part_key(segment.index)?;
        if let Some(spill) = &mut self.spill {
            spill.part(segment.index, encoded);
        } else {
            self.note().await;
            self.tally.hand(segment.index, &encoded);
            self.put(&key, self.entry(encoded, "application/msgpack", None)).await;
        }
        self.tally.parts += 1;
        self.tally.given.push(segment.index);
        self.tally.refused += u64::from(std::mem::take(&mut self.refused));
        self.tally.things += count;
        self.tally.bodies += table.bodies();
        self.tally.bytes += table.bytes();
        self.tally.took_us += cost_us;
        self.pending.pop_front();
        (self.numbered, self.began) = (0, Instant::now());
        self.job.resolved.meter.done();
        self.tell(segment);
        Ok(if self.pending.is_empty() || self.is_enough() { Next::Enough } else { Next::Go })
    }

    /// Fails when some of `bodies` were not given for the part under way: they would never be found.
    fn check(&self, bodies: &[BodyRef]) -> Result<()> {
        let segment = self.pending.front().ok_or_else(|| self.out_of_turn(None))?.index;
        if bodies.iter().all(|body| body.segment == segment && body.number < self.numbered) {
            return Ok(());
        }
        let kind = self.job.resolved.kind.name;
        let message = format!("the stage of {kind} refers to a body that it has not given for segment {segment}");
        Err(Error::new(ErrorKind::Internal, message))
    }

    /// Puts a bundle back, if it came out as it was.
    async fn mend(&mut self, piece: &Piece) -> Result<Next> {
        self.pending.clear();
        let (bundle, bytes) = (std::mem::take(&mut self.bundle), std::mem::take(&mut self.bytes).freeze());
        if bundle.bodies == piece.bundle.bodies {
            self.job.video.confirm(&self.job.shared, "processed").await?;
            let key = self.job.resolved.bundle_key(piece.segment.index, piece.number)?;
            self.tally.bodies += bundle.bodies.len() as u64;
            self.tally.bytes += bundle.bytes();
            let entry = self.entry(bytes, self.job.resolved.kind.bodies, Some(bundle.etag()));
            self.put(&key, entry).await;
        }
        Ok(Next::Enough)
    }

    fn is_enough(&self) -> bool {
        self.job.most.is_some_and(|most| self.tally.things >= most)
    }

    async fn flush(&mut self) -> Result<()> {
        if self.bundle.bodies.is_empty() {
            return Ok(());
        }
        self.job.video.confirm(&self.job.shared, "processed").await?;
        let bundle = std::mem::take(&mut self.bundle);
        let bytes = std::mem::take(&mut self.bytes).freeze();
        let (segment, number) = (self.pending.front().map_or(0, |next| next.index), self.bundles.len() as u32);
        if let Some(spill) = &mut self.spill {
            spill.bundle(segment, number, bytes).await?;
        } else {
            let key = self.job.resolved.bundle_key(segment, number)?;
            let entry = self.entry(bytes, self.job.resolved.kind.bodies, Some(bundle.etag()));
            self.put(&key, entry).await;
        }
        self.bundles.push(bundle);
        Ok(())
    }

    /// Notes with the first part that something is stored. Of a stage that fails before, nothing is.
    async fn note(&self) {
        if self.tally.parts == 0 {
            self.job.shared.note(&self.job.video, self.job.resolved.identity.chain()).await;
        }
    }

    /// That the tiers do not keep something is no failure of the stage.
    async fn put(&mut self, key: &Key, entry: Entry) {
        if let Err(error) = self.job.shared.tiers.put(key, entry).await {
            self.tally.refusal = Some(error.to_string());
            self.refused = true;
        }
    }

    fn entry(&self, bytes: Bytes, content_type: &'static str, etag: Option<String>) -> Entry {
        let (shared, kind) = (&self.job.shared, self.job.resolved.kind.name);
        let mut meta = Meta::new(self.stamp, shared.tiers.clock().now()).with_lifetime(shared.lifetime(kind));
        meta.cost = self.began.elapsed();
        meta.content_type = Some(content_type.into());
        meta.etag = etag.map(Into::into);
        meta.tags = self.job.resolved.tags.clone();
        Entry::new(meta, bytes)
    }

    fn tell(&self, segment: Segment) {
        if let Some(load) = &self.load {
            let total = self.job.segments.len();
            let done = total - self.pending.len();
            load.progress(done as f64 / total.max(1) as f64, &format!("segment {} is done", segment.index));
        }
    }

    fn out_of_turn(&self, given: Option<Segment>) -> Error {
        let kind = self.job.resolved.kind.name;
        let name = |segment: Option<&Segment>| segment.map_or("none".to_owned(), |segment| segment.index.to_string());
        let (given, expected) = (name(given.as_ref()), name(self.pending.front()));
        let message = format!("the stage of {kind} has given segment {given} when it was the turn of {expected}");
        Error::new(ErrorKind::Internal, message)
    }
}
