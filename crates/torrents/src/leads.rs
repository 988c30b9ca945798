//! `Leads`: who may be asked about a torrent.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::OnceCell;
use url::Url;

use crate::options::{Limits, Options};
use crate::trackers;

/// Who may be asked about a torrent. Cloning shares what was looked up.
#[derive(Clone, Default)]
pub(crate) struct Leads {
    named: Arc<[Url]>,
    asked: Arc<OnceCell<Vec<Url>>>,
    /// All of them within reach.
    pub(crate) peers: Vec<SocketAddr>,
}

impl Leads {
    /// The trackers that strangers name, the first of them, and `peers`, which are within reach. Nobody is asked for an address
    /// yet.
    pub(crate) fn new(named: &[Url], peers: Vec<SocketAddr>) -> Self {
        let named = named.iter().take(Limits::TRACKERS).cloned().collect();
        Self { named, asked: Arc::default(), peers }
    }

    /// The trackers within reach, as they are handed to the library. Their names are looked up the first time, which takes
    /// seconds at most; dropping the future leaves it to the next one.
    pub(crate) async fn trackers(&self, options: &Options) -> &[Url] {
        self.asked.get_or_init(|| trackers::asked(&self.named, options)).await
    }
}

/// How many there are: who they are is nobody's business, and some have a password.
impl fmt::Debug for Leads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Leads");
        shown.field("trackers", &self.named.len()).field("peers", &self.peers.len()).finish_non_exhaustive()
    }
}
