//! `Torrents`: what finds torrents out, begins and ends them.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, SystemClock};
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};

use crate::contents::{Contents, FileOf, trackers_in};
use crate::error::{Result, TorrentError, Why};
use crate::leads::Leads;
use crate::magnet::{InfoHash, Magnet};
use crate::options::{Limits, Options};
use crate::pick::Wanted;
use crate::session::Engine;
use crate::source::TorrentSource;
use crate::work::{Reading, Stage, Work, disk_of};

/// How often a torrent is looked after.
const TICK: Duration = Duration::from_millis(500);
/// The media type of torrent files.
const TYPE: &str = "application/x-bittorrent";

/// What finds torrents out, begins and ends them. Cloning shares it.
///
/// Nothing is connected to, and no thread or port taken, before the first torrent is asked about.
#[derive(Clone)]
pub struct Torrents(Arc<Inner>);

struct Inner {
    options: Options,
    kept: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    stamps: Hlc,
    engine: OnceCell<Engine>,
    lookups: Semaphore,
    /// Torrents begin one after the other, so that limits are looked at by one at a time.
    turn: Semaphore,
    works: Mutex<HashMap<InfoHash, Arc<Work>>>,
    keepers: Mutex<JoinSet<()>>,
    is_closed: AtomicBool,
}

/// What names a torrent.
#[derive(Debug, Clone)]
pub enum TorrentLink {
    /// A magnet link.
    Magnet(Magnet),
    /// The bytes of a torrent file.
    File(Bytes),
}

/// A torrent at work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Running {
    /// What it is known by.
    pub hash: InfoHash,
    /// Its name, for show only.
    pub name: String,
    /// Bytes of the wanted files that are there and right.
    pub done: u64,
    /// Bytes of the wanted files.
    pub total: u64,
    /// Peers that it is connected to.
    pub peers: usize,
    /// Fetches that read it.
    pub readers: usize,
    /// For how long it has been at work.
    pub elapsed: Duration,
}

impl Torrents {
    /// Torrents over `options`, whose descriptions are kept in `kept`. What an earlier process left in the folder is removed;
    /// the folder is made with the first torrent.
    ///
    /// # Errors
    /// [`Why::Failed`] when the folder cannot be emptied.
    pub async fn open(options: Options, kept: Arc<dyn Backend>) -> Result<Self> {
        let folder = options.folder.clone();
        let emptied = spawn_blocking(move || emptied(&folder)).await;
        let emptied = emptied.map_err(|lost| lost.to_string()).and_then(|done| done.map_err(|error| error.to_string()));
        emptied.map_err(|error| {
            TorrentError::new(Why::Failed, format!("the folder {} for torrents: {error}", options.folder.display()))
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Ok(Self(Arc::new(Inner {
            options,
            kept,
            stamps: Hlc::new(clock.clone()),
            clock,
            engine: OnceCell::new(),
            lookups: Semaphore::new(Limits::LOOKUPS),
            turn: Semaphore::new(1),
            works: Mutex::default(),
            keepers: Mutex::default(),
            is_closed: AtomicBool::new(false),
        })))
    }

    /// The file that is meant by `wanted` of the torrent behind `link`. Where it is not kept what a magnet link holds, peers
    /// are asked until one tells: bound the wait; dropping the future gives it up. Where it is kept nobody is asked for
    /// anything, and no name of a tracker is looked up before the file is fetched.
    ///
    /// # Errors
    /// Why there is no such torrent or file, or why it is not fetched.
    pub async fn source(&self, link: &TorrentLink, wanted: Wanted) -> Result<TorrentSource> {
        let Options { limits, .. } = &self.0.options;
        let (contents, leads, index) = match link {
            TorrentLink::Magnet(magnet) => {
                let (contents, leads) = self.described(magnet).await?;
                (contents, leads, magnet.index)
            }
            TorrentLink::File(file) => {
                let (file, limits) = (file.clone(), *limits);
                let read = spawn_blocking(move || {
                    Ok::<_, TorrentError>((Contents::read(&file, &limits)?, trackers_in(&file)))
                });
                let (contents, named) =
                    read.await.map_err(|_| TorrentError::malformed("the torrent file is malformed"))??;
                (contents, Leads::new(&named, Vec::new()), None)
            }
        };
        let file = Wanted { index: wanted.index.or(index), ..wanted }.among(&contents)?.clone();
        if file.len > limits.file_len || disk_of(&contents, file.len) > limits.disk {
            let most = limits.file_len.min(limits.disk);
            let message = format!(
                "the file has {} bytes, more than the {most} that are allowed: choose another stream",
                file.len
            );
            return Err(TorrentError::new(Why::TooLarge, message));
        }
        Ok(TorrentSource::new(self, contents, file, leads))
    }

    /// The torrents at work, by their names.
    pub fn running(&self) -> Vec<Running> {
        let works: Vec<Arc<Work>> = self.0.works.lock().values().cloned().collect();
        let mut running: Vec<Running> = works.iter().map(|work| Running::of(work)).collect();
        running.sort_by(|left, right| left.name.cmp(&right.name).then(left.hash.cmp(&right.hash)));
        running
    }

    /// Ends all torrents: their readers are told so. Others are not begun any more.
    pub async fn close(&self) {
        self.0.is_closed.store(true, Ordering::SeqCst);
        // After this turn nobody begins one that is not seen here.
        let turn = self.turn().await;
        let works: Vec<Arc<Work>> = self.0.works.lock().values().cloned().collect();
        for work in &works {
            work.end(closing());
        }
        let mut keepers = std::mem::take(&mut *self.0.keepers.lock());
        while keepers.join_next().await.is_some() {}
        drop(turn);
    }

    /// One reader of `file`, of a torrent that is begun unless it is at work.
    pub(crate) async fn read(&self, contents: &Contents, file: &FileOf, leads: &Leads) -> Result<Reading> {
        let hash = contents.hash();
        if !self.0.works.lock().contains_key(&hash) {
            // Before the turn: while names are looked up, others begin.
            leads.trackers(&self.0.options).await;
        }
        let _turn = self.turn().await;
        let engine = self.engine().await?;
        loop {
            if self.0.is_closed.load(Ordering::SeqCst) {
                return Err(closing());
            }
            let work = self.0.works.lock().get(&hash).cloned();
            let Some(work) = work else { break };
            let Some(reading) = work.join()? else {
                work.wait_gone().await;
                continue;
            };
            if let Some(files) = work.select(file.index) {
                let selected = match self.room(disk_of(contents, file.len), work.disk()).await {
                    Ok(()) => engine.select(&work.torrent, &files).await,
                    Err(error) => Err(error),
                };
                selected.inspect_err(|_| work.deselect(file.index))?;
            }
            return Ok(reading);
        }
        self.place().await?;
        self.room(disk_of(contents, file.len), 0).await?;
        let torrent = engine.add(contents, file.index, leads).await?;
        let reading = Work::begin(contents.clone(), torrent, file.index);
        self.0.works.lock().insert(hash, reading.0.clone());
        let mut keepers = self.0.keepers.lock();
        while keepers.try_join_next().is_some() {}
        keepers.spawn(keep(self.0.clone(), reading.0.clone()));
        Ok(reading)
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.0.turn.acquire().await.ok()
    }

    async fn engine(&self) -> Result<&Engine> {
        self.0.engine.get_or_try_init(|| Engine::start(&self.0.options)).await
    }

    /// What `magnet` holds, kept or told by peers, and whom to ask for more.
    async fn described(&self, magnet: &Magnet) -> Result<(Contents, Leads)> {
        let admitted = magnet.peers.iter().filter(|peer| self.0.options.is_admitted(peer.ip()));
        let mut leads = Leads::new(&magnet.trackers, admitted.copied().collect());
        let key = Key::of("torrents").part(magnet.hash.to_string()).build();
        let key = key.map_err(|error| TorrentError::new(Why::Failed, error.to_string()))?;
        if let Some(contents) = self.kept(&key, magnet.hash).await {
            return Ok((contents, leads));
        }
        let _place = self.0.lookups.acquire().await;
        let (file, seen) = self.engine().await?.describe(magnet.hash, &leads).await?;
        let contents = self.checked(file).await?;
        if contents.hash() != magnet.hash {
            return Err(TorrentError::malformed("the description of the torrent is that of another"));
        }
        leads.peers.extend(seen.into_iter().take(self.0.options.limits.peers));
        self.keep(&key, &contents).await;
        Ok((contents, leads))
    }

    async fn checked(&self, file: Bytes) -> Result<Contents> {
        let limits = self.0.options.limits;
        let read = spawn_blocking(move || Contents::read(&file, &limits)).await;
        read.map_err(|_| TorrentError::malformed("the description of the torrent is malformed"))?
    }

    /// What is kept about `hash`, which proves itself.
    async fn kept(&self, key: &Key, hash: InfoHash) -> Option<Contents> {
        let entry = self.0.kept.get(key).await.ok()??;
        let contents = self.checked(entry.body).await.ok()?;
        (contents.hash() == hash).then_some(contents)
    }

    async fn keep(&self, key: &Key, contents: &Contents) {
        let mut meta = Meta::new(self.0.stamps.tick(), self.0.clock.now());
        meta.content_type = Some(TYPE.into());
        // Whoever comes next asks again.
        if let Err(error) = self.0.kept.put(key, Entry::new(meta, contents.torrent.clone())).await {
            tracing::debug!(%error, "what a torrent holds is not kept");
        }
    }

    /// Waits for a place for one more torrent: the one that nobody has read for the longest time gives way.
    async fn place(&self) -> Result<()> {
        loop {
            let works: Vec<Arc<Work>> = self.0.works.lock().values().cloned().collect();
            if works.len() < self.0.options.limits.torrents {
                return Ok(());
            }
            self.end_longest_idle(&works).await?;
        }
    }

    /// Waits for room for `bytes` more on the disk, where `others` count already.
    async fn room(&self, bytes: u64, counted: u64) -> Result<()> {
        let Limits { disk, disk_reserve, .. } = self.0.options.limits;
        loop {
            let works: Vec<Arc<Work>> = self.0.works.lock().values().cloned().collect();
            let taken = works.iter().map(|work| work.disk()).fold(0, u64::saturating_add);
            let wanted = if counted > 0 { taken } else { taken.saturating_add(bytes) };
            let free = free(&self.0.options.folder).await.unwrap_or(u64::MAX);
            if wanted <= disk && bytes.saturating_add(disk_reserve) <= free {
                return Ok(());
            }
            self.end_longest_idle(&works).await?;
        }
    }

    async fn end_longest_idle(&self, works: &[Arc<Work>]) -> Result<()> {
        let longest = works.iter().filter_map(|work| Some((work.idle()?, work))).max_by_key(|(idle, _)| *idle);
        match longest {
            Some((_, work)) if work.end_idle(Duration::ZERO) => {
                work.wait_gone().await;
                Ok(())
            }
            // Somebody has begun to read it just now.
            Some(_) => Ok(()),
            None => Err(TorrentError::new(
                Why::Busy,
                "as many torrents are read as there are places, or room on the disk: try again later",
            )),
        }
    }
}

/// Looks after `work` until it ends, then takes it away.
async fn keep(inner: Arc<Inner>, work: Arc<Work>) {
    let Options { grace, limits, folder, .. } = &inner.options;
    let mut stage = work.stage();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stage.wait_for(|stage| *stage != Stage::AtWork) => break,
        }
        if let Some(error) = work.failure() {
            work.end(error);
        } else if free(folder).await.is_some_and(|free| free < limits.disk_reserve) {
            work.end(TorrentError::new(
                Why::Busy,
                "the disk is full: make room, or set a smaller torrents.disk_reserve",
            ));
        } else {
            work.end_idle(*grace);
        }
    }
    let hash = work.contents.hash();
    if let Some(engine) = inner.engine.get() {
        engine.remove(hash).await;
    }
    inner.works.lock().remove(&hash);
    work.gone();
}

impl Running {
    fn of(work: &Work) -> Self {
        let stats = work.torrent.stats();
        let is_checked = !matches!(stats.state, librqbit::TorrentStatsState::Initializing { .. });
        Self {
            hash: work.contents.hash(),
            name: work.contents.name().to_owned(),
            done: if is_checked { stats.progress_bytes } else { 0 },
            total: stats.total_bytes,
            peers: stats.live.map_or(0, |live| live.snapshot.peer_stats.live as usize),
            readers: work.readers(),
            elapsed: work.begun.elapsed(),
        }
    }
}

impl fmt::Debug for Torrents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let works = self.0.works.lock().len();
        f.debug_struct("Torrents").field("options", &self.0.options).field("works", &works).finish_non_exhaustive()
    }
}

fn closing() -> TorrentError {
    TorrentError::new(Why::Busy, "torrents are being ended")
}

/// Removes what is in `folder`, if that is there: it is nobody else's.
fn emptied(folder: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        if is_folder { std::fs::remove_dir_all(entry.path())? } else { std::fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// Bytes that are free on the file system of `folder`, where that can be told.
async fn free(folder: &Path) -> Option<u64> {
    let folder = folder.to_owned();
    let told = spawn_blocking(move || rustix::fs::statvfs(&folder)).await.ok()?.ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}
