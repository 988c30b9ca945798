//! Stages that compute nothing dear, and note what they were asked for.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cache_core::{Error, ErrorKind, Result};
use pipeline::{AnyStage, Kind, Output, Pass, Recipe, Resource, Segment, Span, Stage, Work};
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($kind:ident, $name:literal;)*) => {$(
        /// The segments that it was computed for.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) struct $kind(pub(crate) Vec<Segment>);

        impl From<Segment> for $kind {
            fn from(segment: Segment) -> Self {
                Self(vec![segment])
            }
        }

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const SCHEMA: u32 = 1;

            fn join(parts: Vec<(Segment, Self)>) -> Self {
                Self(parts.into_iter().flat_map(|(_, part)| part.0).collect())
            }

            fn within(&self, span: Span) -> Self {
                Self(self.0.iter().copied().filter(|segment| segment.span.overlaps(span)).collect())
            }
        }
    )*};
}

kinds! {
    Alpha, "alpha";
    Beta, "beta";
    Gamma, "gamma";
}

type Does = Arc<dyn Fn(Segment) -> futures_util::future::BoxFuture<'static, Result<()>> + Send + Sync>;

/// What all fakes of a test have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    computed: Arc<Mutex<Vec<(&'static str, u32)>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Log {
    /// The segments computed of a kind, in order.
    pub(crate) fn of<K: Kind>(&self) -> Vec<u32> {
        let all = self.computed.lock().expect("a log");
        all.iter().filter(|(name, _)| *name == K::NAME).map(|(_, index)| *index).collect()
    }

    /// The most segments computed at a time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// A stage whose recipe and doings a test decides.
pub(crate) struct Fake<K> {
    recipe: Recipe,
    log: Log,
    does: Does,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind + From<Segment>> Fake<K> {
    pub(crate) fn new(log: &Log) -> Self {
        let recipe = Recipe::new("fake", 1).segment(Duration::from_secs(1));
        Self { recipe, log: log.clone(), does: Arc::new(|_| Box::pin(async { Ok(()) })), kind: PhantomData }
    }

    pub(crate) fn recipe(mut self, change: impl FnOnce(Recipe) -> Recipe) -> Self {
        self.recipe = change(self.recipe);
        self
    }

    pub(crate) fn input(self, stage: &Arc<impl AnyStage + 'static>) -> Self {
        let stage: Arc<dyn AnyStage> = stage.clone();
        self.recipe(|recipe| recipe.input(stage))
    }

    pub(crate) fn on(self, resource: Resource, pass: Pass) -> Self {
        self.recipe(|recipe| recipe.on(resource).pass(pass))
    }

    pub(crate) fn does<F>(mut self, does: impl Fn(Segment) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.does = Arc::new(move |segment| Box::pin(does(segment)));
        self
    }

    pub(crate) fn fails(self, at: u32) -> Self {
        self.does(move |segment| async move {
            let error = Error::new(ErrorKind::Unavailable, "the model server is down");
            if segment.index == at { Err(error) } else { Ok(()) }
        })
    }

    pub(crate) fn done(self) -> Arc<Self> {
        Arc::new(self)
    }
}

#[async_trait]
impl<K: Kind + From<Segment>> Stage for Fake<K> {
    type Kind = K;

    fn recipe(&self) -> Recipe {
        self.recipe.clone()
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, K>) -> Result<()> {
        for segment in work.segments() {
            self.log.computed.lock().expect("a log").push((K::NAME, segment.index));
            let running = self.log.running.fetch_add(1, Ordering::SeqCst) + 1;
            self.log.most.fetch_max(running, Ordering::SeqCst);
            let did = (self.does)(*segment).await;
            self.log.running.fetch_sub(1, Ordering::SeqCst);
            did?;
            if out.part(*segment, &K::from(*segment)).await? == pipeline::Next::Enough {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<K> Debug for Fake<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fake").field("recipe", &self.recipe).finish_non_exhaustive()
    }
}
