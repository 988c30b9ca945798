//! `Subscription`: a reader of the stream, over a connection of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cache_core::{Heard, Result};
use futures_util::stream::{self, BoxStream, StreamExt};

use super::Log;
use super::place::{self, Place, Told};
use crate::error::closed;
use crate::link::{Link, Repeat, Request};
use crate::options::{RedisOptions, Start};

/// Marks that are read at once.
const AT_ONCE: u64 = 128;

/// A reader of the stream, over a connection of its own.
///
/// Ids order the entries, tags say whether one is missing between two, and runs whether another server has told the later
/// one, which may have begun with less than there was. What none of them shows, that a stream was lost and its successor
/// has nothing newer, is looked for at the beginning and whenever nothing was told for a while.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The connections of the backend, which ends its subscriptions.
    owner: Weak<Link>,
    log: Arc<Log>,
    link: Option<Link>,
    after: Option<Place>,
    /// Whether `after` is still an entry of the stream, as far as is known.
    known: bool,
    heard: VecDeque<Heard>,
}

impl Subscription {
    pub(super) fn new(owner: &Arc<Link>, log: Arc<Log>, after: Option<Place>) -> Self {
        Self { owner: Arc::downgrade(owner), log, link: None, after, known: false, heard: VecDeque::new() }
    }

    /// Ends after an error.
    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Heard>> {
        stream::unfold(Some(self), |subscription| async {
            let mut this = subscription?;
            let heard = this.next().await.map_err(|error| this.log.named("subscribe", error));
            let rest = heard.is_ok().then_some(this);
            Some((heard, rest))
        })
        .fuse()
        .boxed()
    }

    async fn next(&mut self) -> Result<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            self.owner.upgrade().ok_or_else(closed)?.check_open()?;
            let link = match self.link.take() {
                Some(link) => link,
                None => connect(&self.log.options).await?,
            };
            self.listen(&link).await?;
            self.link = Some(link);
        }
    }

    async fn listen(&mut self, link: &Link) -> Result<()> {
        match self.after {
            Some(after) if self.known => {
                let told = self.read(link, after).await?;
                self.known = !told.is_empty();
                if !self.take_in(after, told) {
                    self.jump(self.log.add(link, None).await?);
                }
            }
            after => {
                let end = self.log.add(link, None).await?;
                if after.is_none_or(|after| after != end && after.id >= end.id) {
                    self.jump(end);
                }
                self.known = true;
            }
        }
        Ok(())
    }

    /// What was told after `after`, or nothing for a while.
    async fn read(&self, link: &Link, after: Place) -> Result<Vec<Option<Told>>> {
        let request = Request::new("XREAD", Repeat::Once).arg("COUNT").number(AT_ONCE).arg("BLOCK");
        let request = request.number(wait(&self.log.options).as_millis() as u64).arg("STREAMS");
        let reply = link.demand(0, request.key(self.log.name.clone()).arg(after.id.written())).await?;
        place::entries(reply)
    }

    /// Takes in what was told after `after`; false when something is missing in it.
    fn take_in(&mut self, mut after: Place, told: Vec<Option<Told>>) -> bool {
        for told in told {
            let Some(told) = told.filter(|told| told.follows(after)) else { return false };
            if !told.at.is_of_run_of(after) {
                self.heard.push_back(Heard::Gap(after.on_run_of(told.at).position()));
            }
            after = told.at;
            let position = after.position();
            // One that cannot be read may be about anything.
            let heard = match told.mark() {
                Some(mark) => Heard::Mark(mark, position),
                None => Heard::Gap(position),
            };
            self.heard.push_back(heard);
            self.after = Some(after);
        }
        true
    }

    /// Goes on after `end`, whatever was told before it.
    fn jump(&mut self, end: Place) {
        self.after = Some(end);
        self.known = true;
        self.heard.push_back(Heard::Gap(end.position()));
    }
}

/// How long a read waits for more: its reply comes within the limit of a command.
fn wait(options: &RedisOptions) -> Duration {
    (options.command_timeout / 2).clamp(Duration::from_millis(1), Duration::from_secs(5))
}

async fn connect(options: &RedisOptions) -> Result<Link> {
    let options = RedisOptions { connections: 1, start: Start::Connected, ..options.clone() };
    Link::open(&options).await
}
