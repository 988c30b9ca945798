//! The contract, on every kind of server.

use std::time::Duration;

use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::{Bench, Fixture, Opened, conformance};

use crate::servers;

/// The clock of a bench stands still while the server's runs.
const SLACK: Duration = Duration::from_hours(1);

conformance!(redis, |bench| opened(servers::redis(), bench));
conformance!(valkey, |bench| opened(servers::valkey(), bench));
conformance!(cluster, |bench| opened(servers::cluster(), bench));

async fn opened(options: RedisOptions, bench: Bench) -> Opened<RedisBackend> {
    // What the rules put takes long in a build without optimisation.
    let options = options.clock(bench.clock).expiry_slack(SLACK).command_timeout(Duration::from_secs(20));
    Ok(Fixture::new(RedisBackend::open(options.connections(2)).await?))
}
