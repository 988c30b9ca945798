//! `Explanation`: what an artifact is looked for under, and why it was not found.

use std::fmt;
use std::sync::Arc;

use cache_core::{Key, Result};

use super::ArtifactCache;
use crate::identity::{Chain, Difference, Identity};
use crate::shared::VIDEO;
use crate::video::Video;
use crate::{AnyStage, Coverage, Fingerprint, Selection, Source};

/// What an artifact is looked for under, and why it was or was not found. Prints as some lines of text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The source.
    pub source: String,
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// What the artifact is.
    pub identity: Identity,
    /// The key below which its entries are.
    pub key: String,
    /// What of it is there.
    pub coverage: Coverage,
    /// Why it was or was not found.
    pub verdict: Verdict,
}

/// Why an artifact was or was not found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Verdict {
    /// It is there.
    Hit,
    /// Some of it is there: the rest was not computed yet, or has gone.
    Partial,
    /// It was there, and has gone: expired, evicted or removed.
    Gone,
    /// Something else is there that differs in these components; the nearest such.
    Differs(Vec<Difference>),
    /// The source had another content when something of this kind was stored under its name, the last such.
    SourceChanged {
        /// What the content was.
        before: Fingerprint,
        /// In what else the nearest that was stored differs; empty when in nothing.
        differences: Vec<Difference>,
    },
    /// Nothing of this kind was ever stored for this content, or under this name.
    NeverStored,
}

impl ArtifactCache {
    /// What the artifact of `stage` is looked for under, and why it is or is not found: which component differs from
    /// the nearest that was stored for this source.
    ///
    /// # Errors
    /// Those of fingerprinting; `Invalid` for a recipe without an identity.
    pub async fn explain(
        &self,
        source: &Source,
        stage: Arc<dyn AnyStage>,
        selection: &Selection,
    ) -> Result<Explanation> {
        let video = Video::look(&self.0, source).await?;
        let (resolved, coverage) = self.coverage_of(&video, stage, selection).await?;
        let known = self.0.known.of(&video.root).await;
        let verdict = if coverage.complete {
            Verdict::Hit
        } else if !coverage.is_nothing() {
            Verdict::Partial
        } else {
            match why(resolved.identity.chain(), &known) {
                Verdict::NeverStored => self.before(&video, resolved.identity.chain()).await?,
                verdict => verdict,
            }
        };
        Ok(Explanation {
            source: source.to_string(),
            fingerprint: video.print.fingerprint,
            identity: resolved.identity.clone(),
            key: resolved.root.to_string(),
            coverage,
            verdict,
        })
    }
}

impl ArtifactCache {
    /// Whether the source was another one, which explains why nothing is there.
    async fn before(&self, video: &Video, wanted: &Chain) -> Result<Verdict> {
        let print = video.print.fingerprint;
        let others = self.0.seen.of(&video.source).await.into_iter().rev();
        // One that was taken otherwise says nothing about the content.
        for before in others.filter(|before| *before != print && before.how() == print.how()) {
            let known = self.0.known.of(&Key::of(VIDEO).part(before).build()?).await;
            match why(wanted, &known) {
                Verdict::NeverStored => {}
                Verdict::Differs(differences) => return Ok(Verdict::SourceChanged { before, differences }),
                _ => return Ok(Verdict::SourceChanged { before, differences: Vec::new() }),
            }
        }
        Ok(Verdict::NeverStored)
    }
}

fn why(wanted: &Chain, known: &[Chain]) -> Verdict {
    let of_kind = known.iter().rev().filter(|chain| chain.kind == wanted.kind);
    // Of those that are as near, the newest.
    let nearest = of_kind.map(|chain| wanted.differences(chain)).min_by_key(Vec::len);
    match nearest {
        None => Verdict::NeverStored,
        Some(differences) if differences.is_empty() => Verdict::Gone,
        Some(differences) => Verdict::Differs(differences),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "source {}", self.source)?;
        writeln!(f, "  fingerprint {}", self.fingerprint)?;
        write!(f, "{}", self.identity.chain())?;
        writeln!(f, "  identity {}", self.identity)?;
        writeln!(f, "key {}", self.key)?;
        let there = self.coverage.present.len();
        write!(f, "{there} of {} segments are there: ", self.coverage.segments)?;
        match &self.verdict {
            Verdict::Hit => writeln!(f, "a hit"),
            Verdict::Partial => writeln!(f, "the rest was never computed, or has gone"),
            Verdict::Gone => writeln!(f, "it was stored, and has expired, was evicted or removed"),
            Verdict::NeverStored => writeln!(f, "nothing of this kind was stored for this content"),
            Verdict::Differs(differences) => {
                writeln!(f, "the nearest that was stored differs in")?;
                differences.iter().try_for_each(|difference| writeln!(f, "  {difference}"))
            }
            Verdict::SourceChanged { before, differences } => {
                writeln!(f, "what was stored under this name is of another content, {before}")?;
                differences.iter().try_for_each(|difference| writeln!(f, "  {difference}"))
            }
        }
    }
}
