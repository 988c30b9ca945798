//! What happens to a fleet from outside: outages, crashes, restarts, jumps of clocks, cuts of the backplane.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{ErrorKind, Result};
use cache_testkit::Rng;

use super::clock::{MOST_OFFSET, pass};
use super::node::{Node, Shared};
use super::oracle::Oracle;
use super::settings::Settings;
use super::weather::Outage;

/// What happens to a fleet from outside.
pub(crate) struct Chaos {
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) shared: Shared,
    pub(crate) oracle: Oracle,
    pub(crate) settings: Settings,
    pub(crate) rng: Rng,
}

impl Chaos {
    /// Goes on until it is dropped.
    pub(crate) async fn run(mut self) -> Result<()> {
        loop {
            let pause = self.settings.pause.as_millis() as u64 * 10;
            pass(Duration::from_millis(1 + self.rng.below(pause))).await;
            let node = self.nodes[self.rng.below(self.nodes.len() as u64) as usize].clone();
            match self.rng.below(5) {
                0 if self.settings.outages => self.outage(&node),
                1 if self.settings.restarts && self.rng.chance(1, 3) => self.restart(&node).await?,
                2 if self.settings.jumps => self.jump_ahead(&node),
                3 if self.settings.cuts => self.cut(&node),
                4 if self.settings.line_faults > 0 => self.strike_leases(),
                _ => {}
            }
        }
    }

    fn outage(&mut self, node: &Node) {
        let tiers = [&node.weathers.memory, &node.weathers.disk, &node.weathers.shared];
        let tier = self.rng.below(3) as usize;
        let outage = [None, None, Some(Outage::Fails), Some(Outage::Hangs)][self.rng.below(4) as usize];
        tiers[tier].set_outage(outage);
        let name = ["memory", "disk", "shared"][tier];
        self.oracle.note(None, &format!("node {}: outage of {name}: {outage:?}", node.index));
        self.oracle.count("outages");
    }

    async fn restart(&mut self, node: &Node) -> Result<()> {
        if self.rng.chance(2, 3) {
            node.crash();
        } else {
            node.stop().await;
        }
        pass(Duration::from_millis(1 + self.rng.below(20_000))).await;
        if self.settings.jumps && self.rng.chance(1, 2) {
            let most = 2 * MOST_OFFSET.unsigned_abs();
            node.clock.set_offset(self.rng.below(most).cast_signed() - MOST_OFFSET);
            self.oracle.count("clock jumps");
        }
        node.start()
    }

    /// The clock of a node that lives never goes back.
    fn jump_ahead(&mut self, node: &Node) {
        if self.rng.chance(1, 3) {
            let ahead = self.rng.below(MOST_OFFSET.unsigned_abs()).cast_signed();
            node.clock.set_offset((node.clock.offset() + ahead).min(MOST_OFFSET));
            self.oracle.note(None, &format!("node {}: clock {:+} ms", node.index, node.clock.offset()));
            self.oracle.count("clock jumps");
        }
    }

    fn cut(&mut self, node: &Node) {
        let Some(running) = node.present() else { return };
        let cut = self.rng.below(8);
        match cut {
            0 => running.peer.hold(),
            1..3 => running.peer.release(),
            3 => running.peer.disconnect(),
            4 => running.peer.fail(ErrorKind::Unavailable),
            5..7 => running.peer.heal(),
            _ => self.shared.backplane.lose_log(),
        }
        let name = ["hold", "release", "release", "disconnect", "fail", "heal", "heal", "lose log"][cut as usize];
        self.oracle.note(None, &format!("node {}: backplane: {name}", node.index));
        self.oracle.count("backplane faults");
    }

    fn strike_leases(&mut self) {
        let down = match self.rng.below(4) {
            0 => {
                self.shared.leases.fail(ErrorKind::Unavailable);
                Some(true)
            }
            1 => {
                self.shared.leases.expire_all();
                None
            }
            _ => {
                self.shared.leases.heal();
                Some(false)
            }
        };
        self.oracle.note(None, "the lease service is struck or heals");
        self.oracle.count("lease faults");
        self.oracle.with(|state| state.strike_leases(down));
    }
}
