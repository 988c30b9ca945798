//! Acknowledged writes that have to be found again.

use cache_core::{Clock, Key, Selector};
use cache_tiered::Origin;
use std::time::Duration;

use super::facts::{Asked, End, Life, Way};
use super::loads::all_tags;
use super::own_selector;
use super::state::{State, key_of};

/// A value that its node has to find.
#[derive(Debug)]
pub(crate) struct Expected {
    value: u64,
    life: Life,
    /// The operation that has put it.
    op: usize,
}

/// Longer than clocks differ: entries that end sooner may have ended somewhere.
const MARGIN: Duration = Duration::from_mins(11);

impl State {
    /// A put was acknowledged: it has to be found, if nothing else happens to its key.
    pub(super) fn expect_put(&mut self, number: usize) {
        let op = &self.ops[number];
        let (Some(value), Some((_, End::Acknowledged)), Some(key)) = (op.value, op.ended, key_of(&op.selector)) else {
            return;
        };
        let expected = Expected { value, life: op.life, op: number };
        let began = op.began;
        let alone = !self.ops.iter().enumerate().any(|(other, op)| {
            let over = op.ended.is_some_and(|(step, end)| step < began && end == End::Acknowledged);
            let lasts = op.ended.is_some_and(|(_, end)| end != End::Acknowledged) && op.began + 500 < began;
            other != number && !over && !lasts && selects(&op.selector, &key)
        });
        if alone && !self.loads.has_loaded(&key, began) {
            self.expected.insert(key, expected);
        }
    }

    pub(super) fn forget_expected(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            self.expected.remove(key);
        }
    }

    pub(super) fn forget_selected(&mut self, selector: &Selector) {
        self.expected.retain(|key, _| !selects(selector, key));
    }

    /// A node has heard of a mark, under the keys of the tiers.
    pub(super) fn forget_marked(&mut self, stored: &Selector) {
        let meant = self.ops.iter().find(|op| own_selector(stored, &op.selector)).map(|op| op.selector.clone());
        if let Some(selector) = meant {
            self.forget_selected(&selector);
        }
    }

    /// Whether the answer is what was put last, or there is a reason why not.
    pub(super) fn check_expected(&mut self, asked: &Asked, found: Option<u64>, origin: &Origin) {
        let Some(expected) = self.expected.get(&asked.key) else { return };
        let passive = asked.way == Way::Get || (asked.way == Way::Load && *origin != Origin::Loaded);
        if found == Some(expected.value) || !passive {
            return;
        }
        let (node, value) = (asked.life.node, &self.values[&expected.value]);
        let now = self.eyes[node].clock.now();
        let calm = asked.calm.is_some() && asked.calm == self.calm(node);
        let asked_after = self.ops[expected.op].ended.is_some_and(|(step, _)| step < asked.began);
        let covered = self.ops.iter().any(|op| {
            let newer = op.stamp.is_none_or(|stamp| value.stamps.iter().all(|made| *made < stamp));
            op.value != Some(value.id)
                && newer
                && op.began < asked.began
                && selects(&op.selector, &asked.key)
                && op.life.node != expected.life.node
        });
        // What a tier was to be given in the background is lost with the life, and then the shared one contradicts.
        let lost = self.writes_back && expected.life != asked.life;
        let lasting = value.kept_until > now.after(MARGIN);
        if expected.life.node == node && calm && asked_after && lasting && !covered && !lost {
            let text = format!("v{} was put and acknowledged, and is not found", expected.value);
            self.broken(asked, &text);
        }
    }
}

fn selects(selector: &Selector, key: &str) -> bool {
    Key::parse(key).is_ok_and(|key| selector.selects(&key, &all_tags()))
}
