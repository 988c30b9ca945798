//! `Link`: the connections to the servers, and the one way to send a command over them.

mod decoy;
mod open;
mod reply;
mod request;
mod script;
mod tls;
mod typed;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Error, Key, Result};
use fred::clients::{Client, WithOptions};
use fred::error::{Error as FredError, ErrorKind as FredKind};
use fred::interfaces::{ClientLike, ClusterInterface};
use fred::types::config::{Options, Server};
use fred::types::{ClusterHash, CustomCommand, Resp3Frame};
use fred::util::redis_keyslot;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

pub(crate) use reply::Reply;
pub(crate) use request::{Repeat, Replace, Request};
pub(crate) use script::Script;

use self::decoy::Decoy;
use self::open::Keepers;
use self::request::Verb;
use crate::error::{closed, crowded, from_fred, from_reply};
use crate::options::{Address, RedisOptions};

/// What the budget for bytes under way is counted in.
const UNIT: u64 = 4 << 10;

/// Units of that budget under way from which on commands share a write.
const BUSY: usize = 12;

/// What the library says of a command that it was told to send to another node. It learns the way and does not follow:
/// following `ASK` loses count of the replies of the other connection.
pub(crate) const REDIRECTED: &str = "Too many redirections.";
/// How often such a command is sent again.
const REDIRECTIONS: usize = 2;

/// The connections to the servers. Dropping it ends them.
///
/// A command goes at once or fails at once: while there is no connection, none waits for one. It waits for its turn and
/// for its reply with a limit each. A reply that comes too late goes nowhere.
pub(crate) struct Link {
    lanes: Box<[Lane]>,
    address: Address,
    turns: Semaphore,
    turns_total: u32,
    limit: Duration,
    /// What keeps each lane connected.
    keepers: Mutex<Option<Keepers>>,
    closed: AtomicBool,
    decoy: Decoy,
}

/// One connection to each server, as commands that may be sent once and twice.
struct Lane {
    once: WithOptions<Client>,
    twice: WithOptions<Client>,
}

impl Link {
    /// Connects as `options` say.
    ///
    /// # Errors
    /// `Invalid` for a configuration that can never work; `Unavailable` or `Timeout` when no server answers.
    pub(crate) async fn open(options: &RedisOptions) -> Result<Self> {
        let opened = open::connect(options).await?;
        let turns = (options.in_flight_bytes / UNIT).min(u64::from(u32::MAX >> 4)) as u32;
        Ok(Self {
            lanes: opened.clients.iter().map(Lane::new).collect(),
            address: options.address.clone(),
            turns: Semaphore::new(turns as usize),
            turns_total: turns,
            limit: options.command_timeout,
            keepers: Mutex::new(Some(opened.keepers)),
            closed: AtomicBool::new(false),
            decoy: Decoy::start(),
        })
    }

    /// Which lane the commands of `key` take, so that they keep their order.
    pub(crate) fn lane_of(&self, key: &Key) -> usize {
        // The low bits choose shards elsewhere.
        (key.hash64() >> 32) as usize % self.lanes.len()
    }

    /// Sends `request` over lane `lane` and waits for its reply.
    ///
    /// # Errors
    /// `Closed`, `Timeout` or `Unavailable`; an error that the server replies is a [`Reply::Refused`].
    ///
    /// # Cancellation
    /// The command may take effect.
    pub(crate) async fn ask(&self, lane: usize, request: Request) -> Result<Reply> {
        self.ask_at(lane, None, request).await
    }

    /// As [`ask`](Self::ask), of one node of a cluster; `None` for whichever has the key.
    pub(crate) async fn ask_at(&self, lane: usize, node: Option<&Server>, request: Request) -> Result<Reply> {
        self.check_open()?;
        let turn = self.turn(request.bytes).await?;
        let again = self.address.is_cluster().then(|| request.clone());
        // Apart: futures of the library are some KiB long, and would be moved at each step from here to the caller.
        let mut answer = Box::pin(self.send(lane, node, request)).await;
        // Nothing has happened yet: this is no second attempt.
        for request in again.into_iter().cycle().take(REDIRECTIONS) {
            if !matches!(&answer, Err(error) if error.details() == REDIRECTED) {
                break;
            }
            answer = Box::pin(self.send(lane, node, request)).await;
        }
        drop(turn);
        answer.map_err(|error| self.failed(from_fred(error))).and_then(Reply::read)
    }

    /// As [`ask`](Self::ask); an error that the server replies is one.
    pub(crate) async fn demand(&self, lane: usize, request: Request) -> Result<Reply> {
        match self.ask(lane, request).await? {
            Reply::Refused(reply) => Err(from_reply(&reply)),
            reply => Ok(reply),
        }
    }

    /// Runs `script` on `key`.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and `Unavailable` for an error that the server replies.
    pub(crate) async fn run(&self, script: &Script, key: &Key, name: Bytes, args: Vec<Bytes>) -> Result<Reply> {
        self.run_on(script, self.lane_of(key), &[name], args).await
    }

    /// As [`run`](Self::run), on several names of one slot.
    pub(crate) async fn run_on(
        &self,
        script: &Script,
        lane: usize,
        names: &[Bytes],
        args: Vec<Bytes>,
    ) -> Result<Reply> {
        match self.try_run_on(script, lane, names, args).await? {
            Reply::Refused(reply) => Err(from_reply(&reply)),
            reply => Ok(reply),
        }
    }

    /// As [`run_on`](Self::run_on); an error that the server replies is a [`Reply::Refused`].
    pub(crate) async fn try_run_on(
        &self,
        script: &Script,
        lane: usize,
        names: &[Bytes],
        args: Vec<Bytes>,
    ) -> Result<Reply> {
        match self.ask(lane, script.by_digest(names, args.clone())).await? {
            // The server has forgotten it, or never saw it: it remembers it from here on.
            Reply::Refused(reply) if reply.starts_with("NOSCRIPT") => {
                Box::pin(self.ask(lane, script.by_source(names, args))).await
            }
            reply => Ok(reply),
        }
    }

    /// Whether a script may have keys of several slots.
    pub(crate) fn is_one_node(&self) -> bool {
        !self.address.is_cluster()
    }

    /// The nodes of a cluster that have slots of their own; one `None` where there is no cluster.
    pub(crate) fn primaries(&self) -> Vec<Option<Server>> {
        if !self.address.is_cluster() {
            return vec![None];
        }
        let state = self.lanes[0].once.cached_cluster_state();
        state.map(|state| state.unique_primary_nodes().into_iter().map(Some).collect()).unwrap_or_default()
    }

    /// Whether the link is open.
    ///
    /// # Errors
    /// `Closed` when it is not.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Ends all connections when what was sent before is answered, within the limit of a command.
    pub(crate) async fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let quits = self.lanes.iter().map(|lane| timeout(self.limit, lane.once.quit()));
        futures_util::future::join_all(quits).await;
        *self.keepers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn send(
        &self,
        lane: usize,
        node: Option<&Server>,
        request: Request,
    ) -> std::result::Result<Resp3Frame, FredError> {
        let Lane { once, twice } = &self.lanes[lane % self.lanes.len()];
        let client = if request.repeat == Repeat::Once { twice } else { once };
        if !client.is_connected() {
            return Err(FredError::new(FredKind::Canceled, "disconnected"));
        }
        let name = match request.verb {
            Verb::Named(name) => name,
            Verb::Range { name, first, last } => {
                return Decoy::share_write(self.decoy(), typed::range(client, name, first, last)).await;
            }
            Verb::Set { name, value, life, replace } => {
                return Decoy::share_write(self.decoy(), typed::set(client, name, value, life, replace)).await;
            }
        };
        let slot = request.key.filter(|_| self.address.is_cluster()).map(|key| redis_keyslot(&key));
        let command = CustomCommand::new_static(name, ClusterHash::from(slot), false);
        match node {
            None => client.custom_raw(command, request.args).await,
            Some(node) => {
                let options = Options { cluster_node: Some(node.clone()), ..client.options().clone() };
                // Of the client below, whose options would win otherwise.
                (**client).with_options(&options).custom_raw(command, request.args).await
            }
        }
    }

    /// What lets commands share a write, when there are others under way.
    fn decoy(&self) -> Option<&Decoy> {
        let under_way = self.turns_total as usize - self.turns.available_permits();
        (under_way >= BUSY).then_some(&self.decoy)
    }

    async fn turn(&self, bytes: u64) -> Result<SemaphorePermit<'_>> {
        let units = (1 + bytes / UNIT).min(u64::from(self.turns_total)) as u32;
        if let Ok(turn) = self.turns.try_acquire_many(units) {
            return Ok(turn);
        }
        let turn = timeout(self.limit, self.turns.acquire_many(units)).await.map_err(|_| crowded())?;
        turn.map_err(|_| closed())
    }

    /// A call that was under way when the link was closed fails for that reason, whatever it saw.
    fn failed(&self, error: Error) -> Error {
        self.check_open().err().unwrap_or(error)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("address", &self.address).field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl Lane {
    fn new(client: &Client) -> Self {
        let attempts =
            |attempts| Options { max_attempts: Some(attempts), max_redirections: Some(0), ..Options::default() };
        Self { once: client.with_options(&attempts(1)), twice: client.with_options(&attempts(2)) }
    }
}
