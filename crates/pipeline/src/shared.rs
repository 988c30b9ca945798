//! `Shared`: what all handles of an artifact cache have in common.

use std::time::Duration;

use cache_core::{DAY, Error, ErrorKind, Lifetime, Result, Stamp, ttl};
use cache_tiered::{Cache, Class, Codec, Tiered};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::identity::Chain;
use crate::known::KnownChains;
use crate::output::Tally;
use crate::seen::SeenSources;
use crate::stage::{Program, Resource};
use crate::tool;
use crate::video::Video;
use crate::{ArtifactOptions, Fingerprint, Fingerprinter, Fingerprinting, Limits, Probe};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tiers: Tiered,
    pub(crate) options: ArtifactOptions,
    pub(crate) fingerprints: Fingerprinter,
    /// Of scripts and models, whatever videos are identified by.
    files: Fingerprinter,
    pub(crate) probes: Cache<Probe>,
    pub(crate) known: KnownChains,
    pub(crate) seen: SeenSources,
    /// One run of a stage at a time for each artifact, or segment of it. Nothing is kept in it: what is computed are
    /// the parts.
    pub(crate) jobs: Cache<Tally>,
    versions: Cache<String>,
    classes: [Class; 3],
    /// Tells this from other processes that share the tiers.
    pub(crate) instance: Stamp,
}

/// The first part of every key of an artifact.
pub(crate) const VIDEO: &str = "video";
/// Values held decoded in the process, of each cache.
const NEAR: u64 = 256;
/// The longest run of a stage.
const DEADLINE: Duration = DAY.saturating_mul(6);
/// How old a record of a video may be when something is stored of it; an older one is stored anew.
pub(crate) const OLD: Duration = DAY;

impl Shared {
    pub(crate) fn new(tiers: Tiered, options: ArtifactOptions) -> Result<Self> {
        let Limits { cpu, gpu, net } = options.limits;
        if [cpu, gpu, net].contains(&0) {
            return Err(Error::new(ErrorKind::Invalid, "a limit is 0: let at least one stage run at a time"));
        }
        let classes = [Class::new("cpu", cpu), Class::new("gpu", gpu), Class::new("net", net)];
        let jobs = Cache::builder("job").lifetime(ttl(Duration::ZERO)).near(0).deadline(DEADLINE).grace(Duration::ZERO);
        Ok(Self {
            fingerprints: Fingerprinter::new(tiers.clone(), options.fingerprinting)?.asking(options.servers.clone()),
            files: Fingerprinter::new(tiers.clone(), Fingerprinting::Content)?,
            probes: cache(&tiers, VIDEO, outliving(&options))?,
            known: KnownChains::new(cache(&tiers, VIDEO, outliving(&options))?),
            seen: SeenSources::new(cache(&tiers, "seen", outliving(&options))?),
            jobs: jobs.tiers(tiers.clone()).build()?,
            versions: cache(&tiers, "program", options.lifetime)?,
            classes,
            instance: tiers.stamps().tick(),
            tiers,
            options,
        })
    }

    /// How long artifacts of `kind` are kept.
    pub(crate) fn lifetime(&self, kind: &str) -> Lifetime {
        self.options.lifetimes.get(kind).copied().unwrap_or(self.options.lifetime)
    }

    /// What bounds the stages that keep `resource` busy.
    pub(crate) const fn class(&self, resource: Resource) -> &Class {
        match resource {
            Resource::Cpu => &self.classes[0],
            Resource::Gpu => &self.classes[1],
            Resource::Net => &self.classes[2],
        }
    }

    /// How many stages that keep `resource` busy run at a time.
    pub(crate) const fn places(&self, resource: Resource) -> usize {
        match resource {
            Resource::Cpu => self.options.limits.cpu,
            Resource::Gpu => self.options.limits.gpu,
            Resource::Net => self.options.limits.net,
        }
    }

    /// What `program` says its version is, remembered until the program's file changes; `None` when it is not
    /// installed.
    pub(crate) async fn version(&self, program: &Program) -> Result<Option<String>> {
        let Some((path, key)) = tool::locate(program).await? else { return Ok(None) };
        let (name, ask) = (program.name, program.ask);
        let load = move |_| async move { tool::version(name, &path, ask).await };
        let hit = self.versions.get_or_load(&key, load).await.map_err(crate::origin::stage_error)?;
        Ok(Some(hit.value.as_ref().clone()))
    }

    /// The name of a file and the fingerprint of its content, if that decides what comes out.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn content(&self, file: &crate::stage::File) -> Result<Option<(String, Fingerprint)>> {
        let Some(path) = tool::decisive(file).await? else { return Ok(None) };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let print = self.files.fingerprint(&path.into()).await?;
        Ok(Some((name, print.fingerprint)))
    }

    /// Notes of what something is being stored, and has what is known of the video outlive it: that it fails is no
    /// matter.
    pub(crate) async fn note(&self, video: &Video, chain: &Chain) {
        let known = self.known.note(&video.root, chain).await.and(video.renew(self).await);
        if let Err(error) = known.and(self.seen.note(&video.source, video.print.fingerprint).await) {
            tracing::debug!(%error, "what is stored is not noted");
        }
    }

    /// Stops what runs and waits until what was computed is stored.
    pub(crate) async fn close(&self) -> Result<()> {
        self.jobs.close().await?;
        self.known.close().await?;
        self.seen.close().await?;
        self.probes.close().await?;
        self.versions.close().await?;
        self.files.close().await?;
        self.fingerprints.close().await
    }
}

/// The lifetime of what is known of a video, without which nothing that was made of it is found: it may be [`OLD`] when
/// a run begins that gives its last part after [`DEADLINE`].
fn outliving(options: &ArtifactOptions) -> Lifetime {
    let all = options.lifetimes.values().chain([&options.lifetime]);
    let longest = all.map(|lifetime| lifetime.fresh_for().saturating_add(lifetime.stale_for())).max();
    ttl(longest.unwrap_or_default().saturating_add(DEADLINE + OLD))
}

/// A cache of small values. Those below [`VIDEO`] share the first part of their keys with artifacts, so that one prefix
/// selects everything of a video.
fn cache<V>(tiers: &Tiered, name: &str, lifetime: Lifetime) -> Result<Cache<V>>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let builder = Cache::builder(name).lifetime(lifetime).near(NEAR).schema(2).codec(Codec::MessagePack);
    builder.deadline(DAY).tiers(tiers.clone()).build()
}
