//! `Fetch`: the task behind one stream of a source; it fills the segments that the plan gives it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::plan::{Job, Plan};
use super::{Blob, Upstream};
use crate::gates::{Pass, Room};
use crate::{BlobError, Result};

/// Segments that a fetch fills before it gives way to others that wait for its place.
pub(crate) const TURN: u32 = 4;

/// A place among the fetches of a blob; whatever ends the task, the place becomes free.
#[derive(Debug)]
pub(super) struct Fetch {
    blob: Arc<Blob>,
    id: u64,
    has_begun: bool,
}

impl Fetch {
    pub(super) fn new(blob: Arc<Blob>, id: u64) -> Self {
        Self { blob, id, has_begun: false }
    }

    /// Waits for work, while nobody else waits for the place; whether to look for it.
    async fn idles(&self, upstream: &mut Upstream, pass: &Pass) -> bool {
        let blob = &self.blob;
        let limit = blob.shared.options.idle_limit;
        let work = blob.work.notified();
        if blob.plan(|plan| plan.is_closed()) {
            return false;
        }
        // A look after the wait has begun, so that no wake is missed.
        if blob.plan(|plan| plan.has_work(self.id, upstream.next_segment())) {
            return true;
        }
        tokio::select! {
            woken = timeout(limit, work) => woken.is_ok(),
            () = pass.contended() => false,
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.blob.plan(|plan| plan.dismiss(self.id));
        self.blob.turned.notify_waiters();
        // A task that never ran was dropped by a runtime that shuts down, as the next one would be.
        if self.has_begun {
            self.blob.kick();
        } else {
            self.blob.lose_runtime();
        }
    }
}

/// A segment under way; whatever ends the work on it, its readers are told.
#[derive(Debug)]
struct Work<'a> {
    blob: &'a Arc<Blob>,
    job: Job,
    is_done: bool,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.blob.end_filling(self.job.index, &self.job.filling);
            self.job.filling.leave();
        }
    }
}

/// Fills segments until there is none to fill, or the fetch is stopped.
pub(super) async fn run(mut fetch: Fetch) {
    fetch.has_begun = true;
    let blob = fetch.blob.clone();
    tokio::select! {
        () = blob.stopped.notified() => {}
        () = serve(&fetch) => {}
    }
}

async fn serve(fetch: &Fetch) {
    let blob = &fetch.blob;
    let origin = blob.source().origin();
    let pass = blob.shared.gates.fetch(&origin).await;
    let mut upstream = Upstream::new(blob.clone()).with_room();
    let mut keeping: Option<JoinHandle<()>> = None;
    let mut turn = 0;
    loop {
        if turn >= TURN && pass.is_contended() {
            break;
        }
        let Some(job) = blob.plan(|plan| plan.assign(fetch.id, upstream.next_segment())) else {
            turn = 0;
            blob.turned.notify_waiters();
            if fetch.idles(&mut upstream, &pass).await {
                continue;
            }
            break;
        };
        // There may be work for one more.
        blob.kick();
        turn += 1;
        let mut work = Work { blob, job, is_done: false };
        match fill(blob, &origin, &mut upstream, &work.job).await {
            Ok(None) => work.is_done = true,
            Ok(Some((body, room))) => {
                work.is_done = true;
                let kept = blob.clone().keep_segment(work.job.index, work.job.filling.clone(), body, room);
                // One segment on its way to the backend while the next one arrives: a slow backend slows the source.
                if let Some(before) = keeping.replace(tokio::spawn(kept)) {
                    drop(before.await);
                }
            }
            // Its readers ask again, and wait behind those that waited for its memory.
            Err(_) if upstream.gave_way() && blob.plan(Plan::gives_way) < blob.shared.options.attempts => {}
            Err(error) => failed(blob, &work.job, error),
        }
    }
    if let Some(keeping) = keeping {
        drop(keeping.await);
    }
}

/// Fills one segment; its body and the memory that it takes, unless there is nothing to keep. The memory is taken as
/// bytes arrive: a source that gives few keeps little from others.
async fn fill(
    blob: &Arc<Blob>,
    origin: &Arc<str>,
    upstream: &mut Upstream,
    job: &Job,
) -> Result<Option<(Bytes, Room)>> {
    if !job.is_forced && blob.has_segment(job.index).await {
        blob.end_filling(job.index, &job.filling);
        job.filling.keep();
        return Ok(None);
    }
    let start = blob.start(job.index);
    if let Some(why) = blob.limit.exceeded(start.saturating_add(1)) {
        blob.pass_through(why);
        return Ok(None);
    }
    upstream.go_to(start);
    let expected = blob.segment_bytes(job.index) as usize;
    let (mut missing, mut room) = (expected, blob.shared.gates.room(origin));
    while missing > 0 {
        match upstream.next(missing).await? {
            Some(bytes) => {
                missing -= bytes.len();
                blob.shared.gates.grow(&mut room, (expected - missing) as u64, expected as u64).await;
                job.filling.append(&bytes, expected, &blob.shared.buffers);
            }
            None => break,
        }
    }
    if missing > 0 && blob.len().is_none() {
        blob.set_len(upstream.at());
        // Beside the fetch: an opening may take its time, and readers wait for the end.
        let blob = blob.clone();
        drop(tokio::spawn(async move { blob.shared.renew(&blob).await }));
    }
    blob.plan(|plan| plan.note_health(false));
    let body = job.filling.finish();
    if body.is_empty() {
        blob.end_filling(job.index, &job.filling);
        return Ok(None);
    }
    Ok(Some((body, room)))
}

fn failed(blob: &Arc<Blob>, job: &Job, error: BlobError) {
    if matches!(error, BlobError::Changed { .. }) {
        blob.end(&error);
    }
    blob.plan(|plan| plan.note_health(true));
    blob.plan(|plan| plan.fail(job.index, &job.filling));
    job.filling.fail(error);
}
