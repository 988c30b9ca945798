//! `ArtifactOptions`: how an artifact cache works.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use cache_core::{DAY, Lifetime, ttl};
use cache_tiered::Forecast;

use crate::{Ffmpeg, Fingerprinting, Servers};

/// How an [`ArtifactCache`](crate::ArtifactCache) works.
#[derive(Debug, Clone)]
pub struct ArtifactOptions {
    /// The programs that describe media files; those that the environment names, or in `PATH`, unless set.
    pub ffmpeg: Ffmpeg,
    /// What the fingerprints of files are taken of; their content unless set.
    pub fingerprinting: Fingerprinting,
    /// How long artifacts are kept; 7 days unless set.
    pub lifetime: Lifetime,
    /// How long artifacts of some kinds are kept instead, by the kind's name.
    pub lifetimes: BTreeMap<String, Lifetime>,
    /// How many stages run at a time.
    pub limits: Limits,
    /// Where results go that no tier has room for; the system's temporary directory unless set.
    pub scratch: PathBuf,
    /// Who asks servers whether remote sources are still what they were; [`HttpServers`](crate::HttpServers) unless set,
    /// as far as this build has the feature `endpoint`. Without, nothing is computed of remote sources.
    pub servers: Option<Arc<dyn Servers>>,
}

/// How many calls of stages run at a time, by what they keep busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// On the cores of this machine; 2 unless set.
    pub cpu: usize,
    /// On the graphics card; 1 unless set.
    pub gpu: usize,
    /// Against servers; 8 unless set.
    pub net: usize,
}

impl Default for ArtifactOptions {
    fn default() -> Self {
        Self {
            ffmpeg: Ffmpeg::from_env(),
            fingerprinting: Fingerprinting::default(),
            lifetime: ttl(7 * DAY),
            lifetimes: BTreeMap::new(),
            limits: Limits::default(),
            scratch: std::env::temp_dir(),
            #[cfg(feature = "endpoint")]
            servers: Some(Arc::new(crate::HttpServers::default())),
            #[cfg(not(feature = "endpoint"))]
            servers: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { cpu: 2, gpu: 1, net: 8 }
    }
}

/// Bodies and values up to this length are small.
const SMALL: u64 = 64 << 10;

/// Whether what is forecast is bulk: pictures, sound, or more than 64 KiB. Keep it out of memory and Redis with
/// [`TierOptions::admit`](cache_tiered::TierOptions::admit) there:
///
/// ```
/// # use cache_tiered::{Forecast, TierOptions};
/// let memory = TierOptions::new().admit(|entry| !pipeline::is_bulk(entry));
/// assert!(pipeline::is_bulk(&Forecast::new().content_type("image/jpeg")));
/// ```
pub fn is_bulk(forecast: &Forecast) -> bool {
    let of_media = |kind: &Arc<str>| ["image/", "audio/", "video/"].iter().any(|of| kind.starts_with(of));
    forecast.content_type.as_ref().is_some_and(of_media) || forecast.weight.is_some_and(|weight| weight > SMALL)
}
