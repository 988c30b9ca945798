//! `Recipe`: everything that decides what a stage computes, and how its work is to be done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::AnyStage;
use crate::params::{Param, Params};

/// Everything that decides what a stage computes, the source excepted, and how its work is to be done.
///
/// ```
/// # use pipeline::{Recipe, Resource};
/// # use std::time::Duration;
/// let recipe = Recipe::new("whisper", 1)
///     .param("language", "en", "auto")
///     .param("temperature", 0.0, 0.0)
///     .model("whisper", "tiny.en")
///     .segment(Duration::from_mins(5))
///     .on(Resource::Gpu);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Recipe {
    pub(crate) stage: &'static str,
    pub(crate) version: u32,
    pub(crate) params: Params,
    pub(crate) models: Vec<(String, String)>,
    pub(crate) programs: Vec<Program>,
    pub(crate) files: Vec<File>,
    pub(crate) inputs: Vec<Arc<dyn AnyStage>>,
    pub(crate) around: Duration,
    pub(crate) segment: Option<Duration>,
    pub(crate) pass: Pass,
    pub(crate) divisible: bool,
    pub(crate) resource: Resource,
}

/// A program whose version is part of the identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is called in identities: the same for the same program at different places.
    pub name: &'static str,
    /// Where it is; searched for in `PATH` when it is a name alone.
    pub path: PathBuf,
    /// What makes it print its version, in the first line, e.g. `"-version"`.
    pub ask: &'static str,
}

/// A file that may decide what comes out.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// Whether it is searched for in `PATH`, and counts only if it is a script: another program tells its version.
    pub(crate) is_program: bool,
}

/// How much one call of a stage computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pass {
    /// One segment; calls for several segments run at the same time, as far as the resource allows.
    #[default]
    Each,
    /// All segments that are missing next to each other, one after another: for programs whose start or seek is dear.
    Run,
}

/// What a stage keeps busy: the cache bounds how many run at once on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Resource {
    /// Cores of this machine.
    #[default]
    Cpu,
    /// The graphics card.
    Gpu,
    /// Servers somewhere else.
    Net,
}

impl Recipe {
    /// The recipe of the stage called `stage`, whose implementation has this `version`: raise it whenever the same
    /// source and parameters would give something else.
    pub fn new(stage: &'static str, version: u32) -> Self {
        Self {
            stage,
            version,
            params: Params::new(),
            models: Vec::new(),
            programs: Vec::new(),
            files: Vec::new(),
            inputs: Vec::new(),
            around: Duration::ZERO,
            segment: None,
            pass: Pass::default(),
            divisible: false,
            resource: Resource::default(),
        }
    }

    /// A parameter; left out of the identity when it has its default, so that a parameter added later changes nothing
    /// for those who do not use it.
    pub fn param(mut self, name: &str, value: impl Into<Param>, default: impl Into<Param>) -> Self {
        self.params = self.params.unless(name, value, default);
        self
    }

    /// A model and its version, digest or revision: the more exact, the better. Each has a name of its own: a recipe with
    /// two versions of one is refused.
    pub fn model(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.models.push((name.into(), version.into()));
        self
    }

    /// A program whose version matters; each has a name of its own.
    pub fn program(mut self, program: Program) -> Self {
        self.programs.push(program);
        self
    }

    /// A file by its content, if it is there and a regular file.
    pub(crate) fn file(mut self, file: File) -> Self {
        self.files.push(file);
        self
    }

    /// How far before and after a segment inputs are asked for: they are computed as far first. Not at all unless set.
    pub const fn around(mut self, time: Duration) -> Self {
        self.around = time;
        self
    }

    /// A stage whose artifacts are needed: they are computed first, and their identity is part of this one.
    pub fn input(mut self, stage: Arc<dyn AnyStage>) -> Self {
        self.inputs.push(stage);
        self
    }

    /// Cuts sources into segments of this length. Without it a source is computed as a whole.
    pub const fn segment(mut self, length: Duration) -> Self {
        self.segment = Some(length);
        self
    }

    /// How much one call computes; [`Pass::Each`] unless set.
    pub const fn pass(mut self, pass: Pass) -> Self {
        self.pass = pass;
        self
    }

    /// Lets it be asked for a piece of a segment, of which some bodies are gone: see
    /// [`Work::piece`](crate::Work::piece).
    pub const fn divisible(mut self) -> Self {
        self.divisible = true;
        self
    }

    /// What it keeps busy; [`Resource::Cpu`] unless set.
    pub const fn on(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }
}
