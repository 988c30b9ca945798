//! How connections are made and kept.

use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};
use fred::clients::Client;
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::RespVersion;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, TcpConfig, TlsConfig, TlsHostMapping,
    UnresponsiveConfig,
};
use futures_util::future::join_all;
use tokio::task::{AbortHandle, JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::tls;
use crate::error::from_fred;
use crate::options::{RedisOptions, Start};

/// The least pause between attempts to connect, doubled after each.
const LEAST_PAUSE_MS: u32 = 50;
/// The longest pause.
const MOST_PAUSE_MS: u32 = 2_000;
/// The pause before the task of a lane is started anew.
const RESTART: Duration = Duration::from_millis(200);
/// What chance adds to a pause, so that a fleet does not come back at once.
const JITTER_MS: u32 = 50;
/// Commands that wait for the task of a lane; beyond it they fail.
const QUEUED: usize = 1 << 16;

/// Clients, and what keeps each of them connected.
pub(super) struct Opened {
    pub(super) clients: Vec<Client>,
    pub(super) keepers: Keepers,
}

/// Tasks that end when this is dropped.
pub(super) struct Keepers(Vec<AbortHandle>);

impl Drop for Keepers {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// The task of the library, which ends with the one that waits for it.
struct Running(JoinHandle<Result<(), FredError>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects as `options` say.
pub(super) async fn connect(options: &RedisOptions) -> Result<Opened> {
    let config = config(options).await?;
    let clients: Vec<Client> = (0..options.connections).map(|_| client(options, config.clone())).collect();
    let mut keepers = Keepers(Vec::with_capacity(clients.len()));
    let mut answers = Vec::with_capacity(clients.len());
    for client in &clients {
        // It hears errors from here on, so it comes before the first of them.
        answers.push(first_answer(client.clone(), options.connect_timeout));
        keepers.0.push(tokio::spawn(keep(client.clone())).abort_handle());
    }
    for answer in join_all(answers).await {
        match answer {
            Err(error) if options.start == Start::Connected || error.kind() == ErrorKind::Invalid => return Err(error),
            Err(error) => tracing::warn!(%error, address = ?options.address, "Redis does not answer yet"),
            Ok(()) => {}
        }
    }
    Ok(Opened { clients, keepers })
}

/// Keeps `client` connected until it is told to quit. The library reconnects by itself, except after errors that it
/// takes for final and after a panic of its own.
async fn keep(client: Client) {
    loop {
        let mut running = Running(client.connect());
        match (&mut running.0).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(%error, "a connection to Redis ended and is made anew"),
            Err(error) => tracing::error!(%error, "the task of a connection to Redis failed and is started anew"),
        }
        sleep(RESTART).await;
    }
}

/// Success, or the error of the first attempt of `client` to connect.
fn first_answer(client: Client, limit: Duration) -> impl Future<Output = Result<()>> {
    let mut errors = client.error_rx();
    async move {
        let connected = async {
            // Looks again now and then: the library may announce success between its look and its waiting.
            while timeout(Duration::from_millis(20), client.wait_for_connect()).await.is_err() {}
        };
        let outcome = timeout(limit, async {
            tokio::select! {
                Ok((error, _)) = errors.recv() => Err(unreachable_as(error)),
                () = connected => Ok(()),
            }
        });
        let message = "no Redis server has answered: check host, port and network";
        outcome.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, message)))
    }
}

/// While opening, a lost connection is one that never was.
fn unreachable_as(error: FredError) -> Error {
    if *error.kind() == FredKind::IO {
        let message = format!("no connection to Redis: check host and port ({})", error.details());
        return Error::new(ErrorKind::Unavailable, message).with_source(error);
    }
    from_fred(error)
}

fn client(options: &RedisOptions, config: Config) -> Client {
    let mut pauses = ReconnectPolicy::new_exponential(0, LEAST_PAUSE_MS, MOST_PAUSE_MS, 2);
    pauses.set_jitter(JITTER_MS);
    let performance = PerformanceConfig { default_command_timeout: options.command_timeout, ..Default::default() };
    Client::new(config, Some(performance), Some(connection(options)), Some(pauses))
}

fn connection(options: &RedisOptions) -> ConnectionConfig {
    // Longer than a command: a late reply ends its own call alone, silence ends the connection.
    let silence = options.command_timeout * 2;
    ConnectionConfig {
        connection_timeout: options.connect_timeout,
        internal_command_timeout: options.connect_timeout,
        max_command_attempts: 1,
        max_redirections: 0,
        max_command_buffer_len: QUEUED,
        unresponsive: UnresponsiveConfig { max_timeout: Some(silence), interval: options.command_timeout / 2 },
        // A connection that lost its login gets it back by connecting again.
        reconnect_on_auth_error: true,
        reconnect_errors: vec![
            ReconnectError::ClusterDown,
            ReconnectError::Loading,
            ReconnectError::MasterDown,
            ReconnectError::ReadOnly,
        ],
        tcp: TcpConfig { nodelay: Some(true), user_timeout: Some(silence), ..TcpConfig::default() },
        ..ConnectionConfig::default()
    }
}

async fn config(options: &RedisOptions) -> Result<Config> {
    let tls = match options.tls.clone() {
        Some(trust) => {
            let loaded = spawn_blocking(move || tls::connector(&trust)).await;
            let connector = loaded.map_err(|_| Error::new(ErrorKind::Internal, "loading certificates failed"))??;
            Some(TlsConfig { connector, hostnames: TlsHostMapping::DefaultHost })
        }
        None => None,
    };
    Ok(Config {
        // The first attempt is as any later one: the next follows by itself.
        fail_fast: false,
        username: options.user.clone(),
        password: options.password.clone(),
        server: options.address.to_server(),
        version: RespVersion::RESP3,
        database: options.database,
        tls,
        ..Config::default()
    })
}
