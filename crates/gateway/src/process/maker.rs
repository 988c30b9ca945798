//! `Maker`: makes artifacts of one video after the other, for those who show them elsewhere.

use std::path::PathBuf;

use cache_core::{Error, Result};
use serde_json::Value;

use super::bars::Bars;
use super::inputs::Input;
use super::work::{Task, Work};
use super::{list, takes_sound};
use crate::config::Config;
use crate::exit::Exit;
use crate::stack::Stack;
use crate::stages::{self, Stages};

/// Makes artifacts of one video after the other, as the configuration says.
#[derive(Debug)]
pub(crate) struct Maker {
    work: Work,
    bars: Bars,
}

/// What became of one video.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) state: &'static str,
    pub(crate) exit: Exit,
    /// What went wrong, a line each.
    pub(crate) complaints: Vec<String>,
    /// All of it, for programs.
    pub(crate) line: Value,
}

impl Maker {
    /// Over `stack`.
    ///
    /// # Errors
    /// `Invalid` for settings that describe no stages.
    pub(crate) fn new(stack: &Stack, config: &Config) -> Result<Self> {
        let (stages, kinds) = (Stages::of(&config.pipeline)?, config.pipeline.kinds());
        let artifacts = stages::artifacts(stack, config)?;
        Ok(Self { work: Work::new(artifacts, stages, kinds, Task::Make, None), bars: Bars::none() })
    }

    /// The videos that `named` names, folders looked into, and what of it cannot be.
    ///
    /// # Errors
    /// `Invalid` for more than a million.
    pub(crate) async fn list(&self, named: Vec<PathBuf>) -> Result<(Vec<PathBuf>, Vec<Error>)> {
        let listing = list(named, None, takes_sound(&self.work.kinds)).await?;
        let found = listing.inputs.into_iter().map(|input| input.path).collect();
        Ok((found, listing.refused.into_iter().map(|(_, error)| error).collect()))
    }

    /// Makes what is missing of one. Dropping it ends every program at once; what was finished is kept.
    pub(crate) async fn make(&self, path: PathBuf) -> Made {
        let input = Input { place: path.clone(), path };
        let outcome = self.work.on(&input, &self.bars.begin(&input.path)).await;
        let (state, exit, complaints) = (outcome.state(), outcome.exit(), outcome.complaints());
        Made { state, exit, complaints, line: outcome.json() }
    }

    /// Waits until what was made is stored.
    ///
    /// # Errors
    /// When the stores take too long.
    pub(crate) async fn close(&self) -> Result<()> {
        self.work.artifacts.close().await
    }
}
