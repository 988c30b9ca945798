//! A client: one who asks, writes and invalidates on a node, one thing after the other.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock, Key, KeyPattern, KeyPrefix, Result, Selector};
use cache_testkit::Rng;
use cache_tiered::Hit;
use tokio::time::timeout;

use super::clock::pass;
use super::node::{Node, Running};
use super::oracle::{Asked, End, Made, Oracle, Way};
use super::script::{Script, Stage};
use super::settings::Settings;

/// Longer than every operation may take: deadlines, patience and turns of a dozen calls.
const LIMIT: Duration = Duration::from_hours(1);

/// One who asks, writes and invalidates on a node.
pub(crate) struct Client {
    pub(crate) node: Arc<Node>,
    pub(crate) oracle: Oracle,
    pub(crate) settings: Settings,
    pub(crate) rng: Rng,
}

/// How an operation was left.
enum Left<T> {
    Answered(T),
    /// By its caller, or because its node has crashed.
    Alone,
}

impl Client {
    /// Does all its steps.
    pub(crate) async fn run(mut self) -> Result<()> {
        for _ in 0..self.settings.steps {
            let millis = self.settings.pause.as_millis() as u64;
            if self.rng.chance(2, 3) {
                pass(Duration::from_millis(self.rng.below(millis))).await;
            }
            let Some(running) = self.node.running().await else { return Ok(()) };
            self.step(&running).await?;
        }
        Ok(())
    }

    async fn step(&mut self, running: &Running) -> Result<()> {
        let key = key(self.rng.below(self.settings.keys))?;
        match self.rng.below(100) {
            0..40 => self.ask(running, &key, Way::Load).await,
            40..52 => self.ask(running, &key, Way::Get).await,
            52..58 => self.ask(running, &key, Way::Refresh).await,
            58..66 => self.ask(running, &key, Way::Revalidate).await,
            66..80 => self.put(running, &key).await,
            80..87 => self.remove(running, &key).await,
            87..96 => self.invalidate(running, &key).await?,
            _ => self.tend(running).await,
        }
        Ok(())
    }

    /// Asks for a key and has the answer checked.
    pub(crate) async fn ask(&mut self, running: &Running, key: &Key, way: Way) {
        let hard = (way != Way::Get && self.rng.chance(1, 8)).then(|| Duration::from_millis(self.rng.below(20_000)));
        let asked = self.oracle.with(|state| state.ask(key.as_str(), way, running.life, hard));
        self.oracle.count(match way {
            Way::Get => "ops: get",
            Way::Load => "ops: get_or_load",
            Way::Refresh => "ops: refresh",
            Way::Revalidate => "ops: revalidate",
        });
        let script = Script::draw(&mut self.rng, &self.settings, way == Way::Revalidate);
        let stage = Stage { oracle: self.oracle.clone(), clock: self.node.clock.clone(), asked: asked.clone() };
        let answer = async {
            if way == Way::Get {
                return running.cache.get(key).await;
            }
            let mut request = running.cache.request(key);
            if way == Way::Refresh {
                request = request.refresh();
            }
            if let Some(hard) = hard {
                request = request.hard_timeout(hard);
            }
            let hit = if way == Way::Revalidate {
                request.refresh().revalidate(|load, previous| script.run(stage, load, previous)).await
            } else {
                request.load(|load| script.load(stage, load)).await
            };
            hit.map(Some)
        };
        let left = self.leave(running, Some(key.as_str()), &format!("{way:?} {key}"), answer).await;
        self.take(&asked, left);
    }

    fn take(&self, asked: &Asked, left: Left<Result<Option<Hit<String>>>>) {
        self.oracle.with(|state| match left {
            Left::Answered(Ok(Some(hit))) => state.answered(asked, &hit.value, &hit.origin),
            Left::Answered(Ok(None)) => state.missed(asked),
            Left::Answered(Err(error)) => state.failed(asked, &error),
            Left::Alone => state.journal.note(Some(&asked.key), &format!("node {}: leaves", asked.life.node)),
        });
    }

    async fn put(&mut self, running: &Running, key: &Key) {
        self.oracle.count("ops: put");
        let (id, number) = self.oracle.with(|state| {
            let id = state.make(key.as_str(), Made::Put, running.life);
            let now = self.node.clock.now();
            if let Some(value) = state.values.get_mut(&id) {
                // It may wait for its turn.
                let lifetime = self.settings.lifetime;
                value.kept_until = now.after(lifetime.fresh_for());
                value.stale_until = now.after(LIMIT).after(lifetime.fresh_for()).after(lifetime.stale_for());
            }
            (id, state.op_begins(format!("put v{id}"), Selector::Key(key.clone()), running.life, Some(id)))
        });
        let value = format!("#{id}#{key}");
        let left = self.leave(running, Some(key.as_str()), "put", running.cache.put(key, value)).await;
        self.end(number, &left, |()| None);
    }

    async fn remove(&mut self, running: &Running, key: &Key) {
        self.oracle.count("ops: remove");
        let what = format!("remove {key}");
        let number = self.oracle.with(|state| state.op_begins(what, Selector::Key(key.clone()), running.life, None));
        let left = self.leave(running, Some(key.as_str()), "remove", running.cache.remove(key)).await;
        self.end(number, &left, |_| None);
    }

    async fn invalidate(&mut self, running: &Running, key: &Key) -> Result<()> {
        self.oracle.count("ops: invalidate");
        let selector = match self.rng.below(10) {
            0..4 => Selector::tag(if self.rng.chance(1, 2) { "red" } else { "blue" }),
            4..6 => Selector::Prefix(KeyPrefix::below(&Key::parse(if self.rng.chance(1, 2) { "a" } else { "b" })?)),
            6 => Selector::Pattern(KeyPattern::parse("a:*")?),
            7..9 => Selector::Key(key.clone()),
            _ => Selector::all(),
        };
        if self.rng.chance(1, 8) {
            self.preview(running, &selector).await;
            return Ok(());
        }
        let what = format!("invalidate {selector}");
        let number = self.oracle.with(|state| state.op_begins(what, selector.clone(), running.life, None));
        let left = self.leave(running, None, "invalidate", running.cache.invalidate(&selector)).await;
        self.end(number, &left, |done| done.stamp);
        Ok(())
    }

    async fn preview(&mut self, running: &Running, selector: &Selector) {
        let left = self.leave(running, None, "preview", running.cache.preview(selector)).await;
        if let Left::Answered(Ok(preview)) = left
            && preview.stamp.is_some()
        {
            self.oracle.violation(None, "a preview has a stamp");
        }
    }

    /// What a node does by itself now and then.
    async fn tend(&mut self, running: &Running) {
        if self.rng.chance(1, 2) {
            self.oracle.count("ops: sweep");
            let sweep = running.tiers.sweep(self.node.clock.now(), 10);
            let _ = self.leave(running, None, "sweep", sweep).await;
        } else {
            self.oracle.count("ops: settle");
            let _ = self.leave(running, None, "settle", running.tiers.settle(Duration::from_secs(20))).await;
        }
    }

    fn end<T>(&self, number: usize, left: &Left<Result<T>>, stamp: impl Fn(&T) -> Option<cache_core::Stamp>) {
        self.oracle.with(|state| match left {
            Left::Answered(Ok(done)) => state.op_ends(number, End::Acknowledged, stamp(done), "done"),
            Left::Answered(Err(error)) => {
                state.op_ends(number, End::Failed, None, &format!("{:?}: {error}", error.kind()));
            }
            Left::Alone => state.op_ends(number, End::Dropped, None, "left"),
        });
    }

    /// Waits for `work`, if the caller does not leave, the node does not crash, and it does not hang.
    async fn leave<T>(
        &mut self,
        running: &Running,
        key: Option<&str>,
        what: &str,
        work: impl Future<Output = T>,
    ) -> Left<T> {
        let leaves = self.rng.chance(1, 10);
        let limit = if leaves { Duration::from_millis(self.rng.below(5_000)) } else { LIMIT };
        tokio::select! {
            biased;
            () = self.node.ended(running.life) => Left::Alone,
            answer = timeout(limit, work) => {
                if answer.is_err() && !leaves {
                    self.oracle.with(|state| state.hung(key, &format!("node {}: {what}", self.node.index), LIMIT));
                }
                answer.map_or(Left::Alone, Left::Answered)
            }
        }
    }
}

/// The key of this number.
pub(crate) fn key(number: u64) -> Result<Key> {
    Key::parse(["a:1", "b:1", "a:2", "b:2", "a:3", "c"][number as usize % 6])
}
