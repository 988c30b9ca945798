//! `Cluster`: three nodes that share the slots.

use super::{Raw, Redis, wait_for};

/// Three nodes that share the slots.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let args =
            ["--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-require-full-coverage", "no"];
        let nodes: Vec<Redis> = (0..3).map(|_| Redis::start(&args)).collect();
        for (number, node) in nodes.iter().enumerate() {
            let mut raw = node.raw();
            let (first, last) = (number * 16_384 / 3, (number + 1) * 16_384 / 3 - 1);
            raw.say(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            raw.say(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
            raw.say(&format!("CLUSTER MEET 127.0.0.1 {}", nodes[0].port));
        }
        let cluster = Self { nodes };
        wait_for("the cluster has formed", || cluster.nodes.iter().all(|node| has_formed(&mut node.raw())));
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let [first, second, third] = [0, 1, 2].map(|number| format!("127.0.0.1:{}", self.nodes[number].port));
        format!("redis-cluster://{first}?node={second}&node={third}")
    }
}

fn has_formed(raw: &mut Raw) -> bool {
    let info = raw.say("CLUSTER INFO").text();
    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") && info.contains("cluster_size:3")
}
