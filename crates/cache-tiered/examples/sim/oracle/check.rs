//! Whether an answer is one that may be given.

use std::time::Duration;

use cache_core::{Error, ErrorKind};
use cache_tiered::Origin;

use super::super::clock::NodeClock;
use super::facts::{Asked, End, Made, Op, Value, Way};
use super::seconds;
use super::state::State;

impl State {
    /// A question is answered with the value of this text.
    pub(crate) fn answered(&mut self, asked: &Asked, text: &str, origin: &Origin) {
        let (node, way) = (asked.life.node, asked.way);
        self.journal.note(Some(&asked.key), &format!("node {node}: {way:?} {}: {text} ({origin})", asked.key));
        let Some((id, key)) = parse(text) else {
            return self.broken(asked, &format!("a value that nobody has made: {text}"));
        };
        let Some(value) = self.values.get(&id) else {
            return self.broken(asked, &format!("a value that nobody has made: {text}"));
        };
        if key != asked.key || value.key != asked.key {
            return self.broken(asked, &format!("the value of another key: {text}"));
        }
        if let Some(wrong) = self.too_old(asked, value).or_else(|| self.past_its_time(asked, value, origin)) {
            return self.broken(asked, &wrong);
        }
        self.check_expected(asked, Some(id), origin);
    }

    /// A question is answered with nothing.
    pub(crate) fn missed(&mut self, asked: &Asked) {
        self.journal.note(Some(&asked.key), &format!("node {}: {:?} {}: none", asked.life.node, asked.way, asked.key));
        self.check_expected(asked, None, &Origin::Near);
    }

    /// A loader is given a value before.
    pub(crate) fn handed(&mut self, asked: &Asked, text: &str) {
        let Some(value) = parse(text).and_then(|(id, _)| self.values.get(&id)) else {
            return self.broken(asked, &format!("a previous value that nobody has made: {text}"));
        };
        if value.key != asked.key {
            return self.broken(asked, &format!("the previous value of another key: {text}"));
        }
        if let Some(wrong) = self.too_old(asked, value) {
            self.broken(asked, &format!("as the value before: {wrong}"));
        }
    }

    /// A question is answered with an error.
    pub(crate) fn failed(&mut self, asked: &Asked, error: &Error) {
        let (node, way) = (asked.life.node, asked.way);
        self.journal.count("answers: errors");
        let told = format!("node {node}: {way:?} {}: {:?}: {error}", asked.key, error.kind());
        self.journal.note(Some(&asked.key), &told);
        if asked.way == Way::Get {
            // Errors of tiers are errors of a plain read when no tier could say anything.
            if asked.calm.is_some() && asked.calm == self.calm(node) && self.knows_marks(asked.life) {
                self.broken(asked, &format!("an error although all tiers that last are well: {error}"));
            }
            return;
        }
        let waited = self.elapsed().saturating_sub(asked.began_at);
        if error.kind() == ErrorKind::Timeout {
            self.timeouts.push((asked.key.clone(), self.elapsed()));
        }
        let justified = match error.kind() {
            // A value that was valid when its loader returned it may not be after a jump.
            ErrorKind::Load => self.loads.has_failed(asked, self.memory) || self.eyes[node].clock.has_just_jumped(),
            ErrorKind::Timeout => {
                let limit = asked.hard.unwrap_or(Duration::MAX).min(self.deadline);
                // A load that waits for that of another node may have begun before the question.
                let elsewhere = self.has_lease_trouble(asked.began_at) || self.loads.is_or_was_loading(asked);
                let limited = waited >= limit || elsewhere || self.has_timed_out(asked);
                limited || self.loads.has_failed(asked, self.memory)
            }
            ErrorKind::Unavailable => {
                self.loads.has_failed(asked, Duration::ZERO) || self.has_lease_trouble(asked.began_at)
            }
            _ => false,
        };
        if !justified {
            self.broken(asked, &format!("an error that no loader has caused: {:?}: {error}", error.kind()));
        }
    }

    pub(super) fn broken(&mut self, asked: &Asked, what: &str) {
        let text =
            format!("node {}: {:?} {}, asked at step {}: {what}", asked.life.node, asked.way, asked.key, asked.began);
        self.journal.violation(Some(&asked.key), &text);
    }

    /// Whether something has put the value out of date before the question.
    fn too_old(&self, asked: &Asked, value: &Value) -> Option<String> {
        let outdated = self.ops.iter().enumerate().rev().find(|(_, op)| self.outdates(asked, value, op))?;
        let (number, op) = outdated;
        Some(format!(
            "v{} of step {} is older than #{number} {} of node {}, steps {} to {:?}, stamp {:?}; the stamps of the value are {:?}",
            value.id,
            value.began,
            op.what,
            op.life.node,
            op.began,
            op.ended.map(|(step, _)| step),
            op.stamp,
            value.stamps
        ))
    }

    fn outdates(&self, asked: &Asked, value: &Value, op: &Op) -> bool {
        let Ok(key) = cache_core::Key::parse(&value.key) else { return false };
        let selected = op.value != Some(value.id) && op.selector.selects(&key, &value.tags);
        // Of puts, those with the newer stamps count, as well as the clocks agree.
        let was_put = self.ops.iter().any(|put| put.value == Some(value.id));
        let own_load = !was_put && value.lives.contains(&asked.life);
        let heard = || own_load && op.life != asked.life && Self::has_taken_in(asked, op);
        selected && self.is_older(value, op) && self.binds(asked, op) && (heard() || Self::comparable(value, op))
    }

    /// Whether the one who asks has heard of the operation before, as it ended up.
    fn has_taken_in(asked: &Asked, op: &Op) -> bool {
        op.taken_in.iter().any(|(life, step, stamp)| {
            *life == asked.life && *step < asked.began && op.stamp.is_none_or(|last| *stamp >= last)
        })
    }

    fn is_older(&self, value: &Value, op: &Op) -> bool {
        match value.made {
            Made::Loaded => value.began < op.began,
            // A put that ran beside the operation may have come after it.
            Made::Put => value.began < op.began && self.put_was_over(value, op),
        }
    }

    fn put_was_over(&self, value: &Value, op: &Op) -> bool {
        let put = self.ops.iter().find(|put| put.value == Some(value.id));
        // One that failed may take effect at any later time.
        put.and_then(|put| put.ended).is_some_and(|(step, end)| step < op.began && end == End::Acknowledged)
    }

    /// Whether the one who asks has to know of the operation.
    fn binds(&self, asked: &Asked, op: &Op) -> bool {
        let Some((ended, End::Acknowledged)) = op.ended else { return false };
        if op.life == asked.life {
            return ended < asked.began;
        }
        if self.settled {
            // What its life never got to tell is lost with it.
            return op.solid && (op.stamp.is_some() || !self.over.contains(&op.life));
        }
        if op.life.node == asked.life.node {
            return op.solid && ended < asked.began;
        }
        Self::has_taken_in(asked, op)
    }

    /// Whether the operation could know that the value is older. Nodes whose clocks differ cannot tell for values that
    /// they have not seen.
    fn comparable(value: &Value, op: &Op) -> bool {
        if value.lives.iter().all(|life| *life == op.life) {
            return true;
        }
        if let (Some(made), Some(marked)) = (value.stamps.iter().max(), op.stamp)
            && *made < marked
        {
            return true;
        }
        let was_there = value.shared_at.is_some_and(|at| at < op.began);
        op.solid && was_there
    }

    fn past_its_time(&self, asked: &Asked, value: &Value, origin: &Origin) -> Option<String> {
        let now = self.eyes[asked.life.node].clock.least();
        if value.valid_until <= now {
            return Some(format!("v{} was valid until {:?}, and it is {now:?}", value.id, value.valid_until));
        }
        let given_once = match origin {
            Origin::Loaded | Origin::Revalidated => true,
            Origin::Joined => value.ended == Some(self.elapsed()),
            _ => false,
        };
        (value.stale_until <= now && !given_once)
            .then(|| format!("v{} could stand in until {:?}, and it is {now:?}", value.id, value.stale_until))
    }

    pub(super) fn has_lease_trouble(&self, since: Duration) -> bool {
        self.lease_down || self.lease_trouble.is_some_and(|last| last + 2 * self.lease >= since)
    }

    fn has_timed_out(&self, asked: &Asked) -> bool {
        self.timeouts.iter().any(|(key, when)| *key == asked.key && *when + self.memory >= asked.began_at)
    }

    /// Whether the value is past its validity by this clock.
    pub(crate) fn is_past(&self, value: u64, clock: &NodeClock) -> bool {
        self.values.get(&value).is_some_and(|value| value.valid_until <= clock.most())
    }

    /// The lease service was struck, or works again.
    pub(crate) fn strike_leases(&mut self, down: Option<bool>) {
        self.lease_trouble = Some(self.elapsed());
        self.lease_down = down.unwrap_or(self.lease_down);
    }

    /// An operation took longer than anything may.
    pub(crate) fn hung(&mut self, key: Option<&str>, what: &str, limit: Duration) {
        self.journal.violation(key, &format!("{what} has not ended after {}", seconds(limit)));
    }
}

/// The number and the key of the value with this text.
pub(crate) fn parse(text: &str) -> Option<(u64, &str)> {
    let mut parts = text.split('#');
    let (Some(""), Some(number), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return None };
    Some((number.parse().ok()?, key))
}
