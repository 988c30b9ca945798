//! `Resolved`: a stage for one source, with its identity.

use std::pin::Pin;
use std::sync::Arc;

use cache_core::{Error, ErrorKind, Key, Result};
use futures_util::future::{join_all, join3};

use crate::identity::{Chain, Identity, InputIdentity};
use crate::run::Meter;
use crate::shared::Shared;
use crate::stage::KindFacts;
use crate::video::Video;
use crate::{AnyStage, Axis, Pass, Recipe, Segment};

/// A stage for one source, with its identity.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) stage: Arc<dyn AnyStage>,
    pub(crate) kind: KindFacts,
    pub(crate) recipe: Recipe,
    pub(crate) identity: Identity,
    pub(crate) axis: Axis,
    pub(crate) inputs: Vec<Arc<Self>>,
    /// Those of its entries: the kind, then what it is made of.
    pub(crate) tags: Arc<[Arc<str>]>,
    /// What all keys of the artifact begin with.
    pub(crate) root: Key,
    /// How far the computation of it is.
    pub(crate) meter: Meter,
}

type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Arc<Resolved>>> + Send + 'a>>;

/// How deep inputs may nest: a recipe that is its own input would never end.
const DEEPEST: u32 = 16;

impl Resolved {
    /// `stage` for `video`, on the axis that `cut` makes of its segments.
    ///
    /// A program that is not installed has no version: then any version is as good, of which something is cached.
    ///
    /// # Errors
    /// When a program does not tell its version, and when inputs nest too deeply; `Invalid` for two models or programs of
    /// one name.
    pub(crate) fn resolve<'a>(shared: &'a Shared, video: &'a Video, stage: Arc<dyn AnyStage>) -> Resolving<'a> {
        resolve(shared, video, stage, 0)
    }

    /// The key of a part.
    pub(crate) fn part_key(&self, segment: u32) -> Result<Key> {
        self.root.child(segment).build()
    }

    /// The key under which the computation of `segments` is known: of passes over an artifact there is one at a time.
    pub(crate) fn job_key(&self, segments: &[Segment]) -> Result<Key> {
        let key = self.root.child("job");
        match (self.recipe.pass, segments.first()) {
            (Pass::Each, Some(segment)) => key.part(segment.index).build(),
            _ => key.build(),
        }
    }

    /// Whether `other` is among its inputs, or theirs.
    pub(crate) fn needs(&self, other: &Self) -> bool {
        self.inputs.iter().any(|input| input.identity == other.identity || input.needs(other))
    }

    /// That something is wrong with this artifact.
    pub(crate) fn error(&self, what: &str) -> Error {
        Error::new(ErrorKind::Unavailable, format!("{} {what}", self.kind.name)).with_key(&self.root)
    }

    /// The key of a bundle of bodies.
    pub(crate) fn bundle_key(&self, segment: u32, number: u32) -> Result<Key> {
        self.root.child(segment).part(number).build()
    }
}

fn resolve<'a>(shared: &'a Shared, video: &'a Video, stage: Arc<dyn AnyStage>, depth: u32) -> Resolving<'a> {
    Box::pin(async move {
        let (kind, recipe) = (stage.kind(), stage.plan());
        if depth > DEEPEST {
            let message = format!("the inputs of {} nest too deeply: is one its own input?", kind.name);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        refuse_namesakes(&kind, &recipe)?;
        // Each is looked up on disk: one beside the other.
        let inputs = join_all(recipe.inputs.iter().map(|input| resolve(shared, video, input.clone(), depth + 1)));
        let versions = join_all(recipe.programs.iter().map(|program| shared.version(program)));
        let contents = join_all(recipe.files.iter().map(|file| shared.content(file)));
        let (inputs, versions, contents) = join3(inputs, versions, contents).await;
        let inputs = inputs.into_iter().collect::<Result<Vec<_>>>()?;
        let mut chain = chain(&kind, &recipe, &inputs);
        let mut known = true;
        for (program, version) in recipe.programs.iter().zip(versions) {
            match version? {
                Some(version) => drop(chain.programs.insert(program.name.to_owned(), version)),
                None => known = false,
            }
        }
        for (at, content) in contents.into_iter().enumerate() {
            if let Some((name, print)) = content? {
                chain.programs.insert(format!("file {at} {name}"), print.to_string());
            }
        }
        if !known {
            chain = shared.known.any_version(&video.root, chain).await;
        }
        let identity = Identity::of(chain);
        let root = video.root.child(kind.name).part(identity.digest()).build()?;
        let (axis, tags) = (video.axis(recipe.segment), tags(kind.name, &inputs));
        Ok(Arc::new(Resolved { stage, kind, recipe, identity, axis, inputs, tags, root, meter: Meter::default() }))
    })
}

/// Fails when the identity would tell but one of two models or programs, because they share a name.
fn refuse_namesakes(kind: &KindFacts, recipe: &Recipe) -> Result<()> {
    let Recipe { models, programs, .. } = recipe;
    let model = models.iter().enumerate().find(|(at, (name, version))| {
        models.iter().take(*at).any(|(other, others)| other == name && others != version)
    });
    let program = programs
        .iter()
        .enumerate()
        .find(|(at, program)| programs.iter().take(*at).any(|other| other.name == program.name && *other != **program));
    let twice = match (model, program) {
        (Some((_, (name, _))), _) => format!("two versions of the model {name:?}"),
        (None, Some((_, program))) => format!("two programs called {:?}", program.name),
        (None, None) => return Ok(()),
    };
    let message = format!("the recipe of {} names {twice}: give each a name of its own", kind.name);
    Err(Error::new(ErrorKind::Invalid, message))
}

fn tags(kind: &str, inputs: &[Arc<Resolved>]) -> Arc<[Arc<str>]> {
    let mut tags = vec![Arc::from(kind)];
    for input in inputs {
        // What it is made of itself is behind its kind.
        for tag in std::iter::once(&made_of(&input.identity)).chain(input.tags.iter().skip(1)) {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
    }
    tags.into()
}

/// The tag of everything that is made of an artifact.
pub(crate) fn made_of(identity: &Identity) -> Arc<str> {
    format!("of:{identity}").into()
}

fn chain(kind: &KindFacts, recipe: &Recipe, inputs: &[Arc<Resolved>]) -> Chain {
    let input =
        |input: &Arc<Resolved>| InputIdentity { kind: input.kind.name.to_owned(), digest: input.identity.digest() };
    Chain {
        kind: kind.name.to_owned(),
        schema: kind.schema,
        stage: recipe.stage.to_owned(),
        version: recipe.version,
        segment_us: recipe.segment.map(|length| u64::try_from(length.as_micros()).unwrap_or(u64::MAX)),
        params: recipe.params.clone(),
        models: recipe.models.iter().cloned().collect(),
        programs: std::collections::BTreeMap::new(),
        inputs: inputs.iter().map(input).collect(),
    }
}
