//! `Cluster`: three nodes that share the slots, and a replica where one is to fall.

use super::{Raw, Redis, wait_for};

/// Nodes that have slots.
const PRIMARIES: usize = 3;

/// Three nodes that share the slots; after them the replica of the first, where there is one.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let args =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-require-full-coverage", "no"];
        let nodes: Vec<Redis> = (0..PRIMARIES).map(|_| Redis::start(&args)).collect();
        Self::of(nodes)
    }

    /// As [`start`](Self::start), with a replica of the first node, which takes over when that is silent for a second.
    pub(crate) fn start_with_replica() -> Self {
        let args =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"];
        let hasty = ["--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"];
        let args = [&args[..], &hasty].concat();
        let cluster = Self::of((0..=PRIMARIES).map(|_| Redis::start(&args)).collect());
        let primary = cluster.nodes[0].raw().say("CLUSTER MYID").text();
        let replica = &cluster.nodes[PRIMARIES];
        replica.raw().say(&format!("CLUSTER REPLICATE {primary}"));
        wait_for("the replica is in step", || {
            replica.raw().say("INFO replication").text().contains("master_link_status:up")
        });
        // Only then the others vote for it.
        wait_for("everybody knows the replica", || {
            cluster
                .nodes
                .iter()
                .all(|node| node.raw().say("CLUSTER NODES").text().contains(&format!("slave {primary}")))
        });
        cluster
    }

    /// Whether node `number` serves slots, and the nodes that have some agree on it.
    pub(crate) fn has_taken_over(&self, number: usize) -> bool {
        let id = self.nodes[number].raw().say("CLUSTER MYID").text();
        self.nodes[1..].iter().all(|node| {
            let nodes = node.raw().say("CLUSTER NODES").text();
            nodes.lines().any(|line| line.starts_with(&id) && line.contains("master") && line.contains("0-5460"))
        })
    }

    fn of(nodes: Vec<Redis>) -> Self {
        for (number, node) in nodes.iter().enumerate() {
            let mut raw = node.raw();
            if number < PRIMARIES {
                let (first, last) = (number * 16_384 / PRIMARIES, (number + 1) * 16_384 / PRIMARIES - 1);
                raw.say(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            }
            raw.say(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            raw.say(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port));
        }
        let cluster = Self { nodes };
        let count = cluster.nodes.len();
        wait_for("the cluster has formed", || cluster.nodes.iter().all(|node| has_formed(&mut node.raw(), count)));
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let [first, second, third] = [0, 1, 2].map(|number| format!("127.0.0.1:{}", self.nodes[number].port));
        format!("redis-cluster://{first}?node={second}&node={third}")
    }
}

fn has_formed(raw: &mut Raw, nodes: usize) -> bool {
    let info = raw.say("CLUSTER INFO").text();
    let known = format!("cluster_known_nodes:{nodes}\r");
    info.contains("cluster_state:ok") && info.contains(&known) && info.contains("cluster_size:3")
}
