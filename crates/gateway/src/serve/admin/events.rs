//! `/api/events`: figures and jobs as they change, as server-sent events.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{Answer, config};
use crate::jobs::{JobReport, JobState};
use crate::serve::phase::Phase;
use crate::serve::problem::Problem;
use crate::serve::routes::Server;

/// Listeners at once.
const MOST_LISTENERS: usize = 16;
/// Events that wait for a listener; one that has more to read is left.
const BEHIND: usize = 1_024;
/// How often jobs are looked at while somebody listens.
const TICK: Duration = Duration::from_millis(250);
/// So many ticks are between figures.
const TICKS_OF_FIGURES: u32 = 4;
/// After so long a silence a comment is sent, which shows that the connection stands.
const SILENCE: Duration = Duration::from_secs(15);

/// Those who listen, and the task that tells them. Cloning shares it.
#[derive(Clone)]
pub(in crate::serve) struct Events(Arc<Hub>);

struct Hub {
    sender: Sender<Bytes>,
    places: Arc<Semaphore>,
    /// Whether the task runs.
    tells: Mutex<bool>,
    phase: Phase,
}

/// One who listens.
struct Listener {
    events: Receiver<Bytes>,
    phase: Phase,
    _place: OwnedSemaphorePermit,
}

/// `GET /api/events`.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "jobs",
    responses((status = 200, description = "Figures (`stats`) each second and jobs (`job`) as they change, as server-sent events", body = String, content_type = "text/event-stream"), Problem)
)]
pub(in crate::serve) async fn listen(State(server): State<Server>) -> Answer<Response> {
    let hub = server.events.0.clone();
    let Ok(place) = hub.places.clone().try_acquire_owned() else {
        let told = format!("{MOST_LISTENERS} listen already: ask for /api/cache-stats and /api/jobs instead");
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, told));
    };
    // Before the first figures are taken: what changes meanwhile is told afterwards.
    let events = hub.subscribe(&server);
    let first = first(&server).await;
    let listener = Listener { events, phase: hub.phase.clone(), _place: place };
    let body = Body::from_stream(stream::once(async { first }).chain(listener.stream()).map(Ok::<_, std::io::Error>));
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
    Ok((headers, body).into_response())
}

impl Events {
    /// Nobody listens; listeners leave when `phase` says that the server ends.
    pub(in crate::serve) fn new(phase: &Phase) -> Self {
        Self(Arc::new(Hub {
            sender: Sender::new(BEHIND),
            places: Arc::new(Semaphore::new(MOST_LISTENERS)),
            tells: Mutex::new(false),
            phase: phase.clone(),
        }))
    }
}

impl Hub {
    /// Listens from here on; begins to tell if nobody has listened.
    fn subscribe(self: &Arc<Self>, server: &Server) -> Receiver<Bytes> {
        let mut tells = self.tells.lock();
        let events = self.sender.subscribe();
        if !std::mem::replace(&mut *tells, true) {
            // Taken here: what begins before the task does is news to who listens.
            let known = Known::new(server.jobs.list());
            drop(tokio::spawn(tell(self.clone(), server.clone(), known)));
        }
        events
    }

    /// Whether nobody listens: then whoever comes next begins to tell.
    fn is_deserted(&self) -> bool {
        let mut tells = self.tells.lock();
        *tells = self.sender.receiver_count() > 0;
        !*tells
    }

    fn send(&self, event: Bytes) {
        // Fails when nobody listens any more, which the next tick sees.
        drop(self.sender.send(event));
    }
}

impl Listener {
    /// The events from here on; ends when the server does, and when the reader is too far behind.
    fn stream(self) -> impl Stream<Item = Bytes> {
        stream::unfold(self, |mut listener| async {
            let next = tokio::select! {
                next = timeout(SILENCE, listener.events.recv()) => next,
                () = listener.phase.draining() => return None,
            };
            match next {
                Ok(event) => event.ok().map(|event| (event, listener)),
                Err(_) => Some((Bytes::from_static(b": still here\n\n"), listener)),
            }
        })
    }
}

/// Tells what changes, while somebody listens.
async fn tell(hub: Arc<Hub>, server: Server, mut known: Known) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = hub.phase.draining() => return,
        }
        if hub.is_deserted() {
            return;
        }
        for job in known.news(server.jobs.list()) {
            hub.send(event("job", &job));
        }
        count = count.wrapping_add(1);
        if count.is_multiple_of(TICKS_OF_FIGURES) {
            hub.send(event("stats", &config::figures(&server).await));
        }
    }
}

/// What somebody who comes is told: the figures, and every job that waits or runs.
async fn first(server: &Server) -> Bytes {
    let mut told = Vec::from(": welcome\n\n");
    told.extend_from_slice(&event("stats", &config::figures(server).await));
    for job in server.jobs.list().iter().filter(|job| !job.state.has_ended()) {
        told.extend_from_slice(&event("job", job));
    }
    told.into()
}

/// An event of the kind `name` in the form in which it is sent.
fn event(name: &str, data: &impl Serialize) -> Bytes {
    // JSON has no line ends, which would end it.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// The jobs as they were told last.
struct Known(HashMap<String, JobReport>);

impl Known {
    fn new(jobs: Vec<JobReport>) -> Self {
        Self(jobs.into_iter().map(|job| (job.id.clone(), job)).collect())
    }

    /// What of `jobs` is to be told. One that a source tells of no more has ended; whether well, its source does not say.
    fn news(&mut self, jobs: Vec<JobReport>) -> Vec<JobReport> {
        let mut before = std::mem::take(&mut self.0);
        let mut news = Vec::new();
        for job in jobs {
            if before.remove(&job.id).is_none_or(|before| job.is_news_after(&before)) {
                news.push(job.clone());
            }
            self.0.insert(job.id.clone(), job);
        }
        let gone = before.into_values().filter(|job| !job.state.has_ended());
        news.extend(gone.map(|job| JobReport { state: JobState::Done, eta_seconds: None, ..job }));
        news
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("listeners", &self.0.sender.receiver_count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cache_core::{Key, Timestamp};

    use super::*;
    use crate::jobs::JobKind;

    fn job(name: &str, done: u64) -> JobReport {
        let key = Key::of(name).build().unwrap();
        let job = JobReport::told(JobKind::Blob, &key, Timestamp::from_millis(9), Duration::from_millis(done));
        JobReport { done, ..job }
    }

    #[test]
    fn only_what_changes_is_told_and_what_is_gone_once() {
        let mut known = Known::new(vec![job("a", 0), job("b", 0)]);
        let later = JobReport { seconds: 7.0, ..job("a", 0) };
        assert_eq!(known.news(vec![later, job("b", 1)]), [job("b", 1)]);
        assert_eq!(
            known.news(vec![job("a", 0), job("c", 0)]).iter().map(|job| job.state).collect::<Vec<_>>(),
            [JobState::Running, JobState::Done]
        );
        assert!(known.news(vec![job("a", 0), job("c", 0)]).is_empty());
    }

    #[tokio::test]
    async fn who_reads_nothing_is_left_and_keeps_a_bounded_number_of_events() {
        let hub = Events::new(&Phase::default()).0;
        let place = hub.places.clone().try_acquire_owned().unwrap();
        let listener = Listener { events: hub.sender.subscribe(), phase: hub.phase.clone(), _place: place };
        for number in 0..100_000 {
            hub.send(event("job", &number));
        }
        assert!(hub.sender.len() <= BEHIND, "{} events wait", hub.sender.len());
        // Who has missed something begins anew rather than with a part of it.
        assert!(listener.stream().collect::<Vec<_>>().await.is_empty());
        assert_eq!((hub.sender.receiver_count(), hub.places.available_permits()), (0, MOST_LISTENERS));
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let told = event("job", &serde_json::json!({ "what": "a\r\n\r\nevent: forged\u{2028}" }));
        assert_eq!(std::str::from_utf8(&told).unwrap().lines().filter(|line| !line.is_empty()).count(), 2);
    }
}
