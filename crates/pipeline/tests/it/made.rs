//! Keyframes and embeddings made by stages of the user's own, from what is public alone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{ErrorKind, Result};
use pipeline::{
    Embeddings, Keyframe, Keyframes, Next, Output, Pass, Passage, Precision, Recipe, Selection, Source, Stage, Work,
};

use super::support::Home;

/// Two pictures of each second.
#[derive(Debug)]
struct Draws;

#[async_trait]
impl Stage for Draws {
    type Kind = Keyframes;

    fn recipe(&self) -> Recipe {
        Recipe::new("draws", 1).segment(Duration::from_secs(1))
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Keyframes>) -> Result<()> {
        for segment in work.segments() {
            let mut frames = Vec::new();
            for pts_us in [segment.span.start_us, segment.span.start_us + 500_000] {
                let picture = out.body(Bytes::from(pts_us.to_string())).await?;
                frames.push(Keyframe::new(pts_us, (64, 36), picture));
            }
            if out.part(*segment, &Keyframes::new(frames)).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

/// Vectors for what was never said: as many as it is told.
#[derive(Debug)]
struct Embeds(Vec<Vec<f32>>);

#[async_trait]
impl Stage for Embeds {
    type Kind = Embeddings;

    fn recipe(&self) -> Recipe {
        Recipe::new("embeds", 1).param("vectors", format!("{:?}", self.0), "")
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Embeddings>) -> Result<()> {
        let passage = |at: i64| Passage { start_us: at, end_us: at + 1, text: "a".to_owned() };
        let passages: Vec<Passage> = (0..3).map(passage).collect();
        let value = Embeddings::keep(&passages, &self.0, Precision::Single, out).await?;
        for segment in work.segments() {
            let _ = out.part(*segment, &value).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn keyframes_of_a_stage_of_ones_own_are_kept_with_their_pictures() {
    let home = Home::new();
    let clip = Source::from(home.clip("clip.mp4", 2));
    let stage = Arc::new(Draws);
    home.cache().compute(&clip, &stage, &Selection::all()).await.unwrap();
    let found = home.cache().get(&clip, &stage, &Selection::all()).await.unwrap().expect("kept");
    let frames = &found.value().frames;
    assert_eq!(frames.iter().map(|frame| frame.pts_us).collect::<Vec<_>>(), [0, 500_000, 1_000_000, 1_500_000]);
    let pictures: Vec<_> = frames.iter().map(|frame| frame.picture).collect();
    let pictures = found.bodies(&pictures).await.unwrap();
    assert_eq!(pictures, ["0", "500000", "1000000", "1500000"]);
}

#[tokio::test]
async fn embeddings_of_a_stage_of_ones_own_are_kept_with_their_vectors() {
    let home = Home::new();
    let clip = Source::from(home.clip("clip.mp4", 1));
    let vectors = vec![vec![1.0, 0.5], vec![0.25, -1.0], vec![0.0, 2.0]];
    let stage = Arc::new(Embeds(vectors.clone()));
    let made = home.cache().compute(&clip, &stage, &Selection::all()).await.unwrap();
    assert_eq!(made.value().dimensions, 2);
    assert_eq!(Embeddings::vectors(&made).await.unwrap(), vectors);
    let wrong = [vec![vec![1.0]], vec![vec![1.0], vec![1.0], vec![1.0, 2.0]], Vec::new()];
    for vectors in wrong {
        let error = home.cache().compute(&clip, &Arc::new(Embeds(vectors)), &Selection::all()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.message().contains("for 3 passages"), "{error}");
    }
}

/// Names the picture of the first second in the table of every other one.
#[derive(Debug)]
struct Borrows;

#[async_trait]
impl Stage for Borrows {
    type Kind = Keyframes;

    fn recipe(&self) -> Recipe {
        Recipe::new("borrows", 1).segment(Duration::from_secs(1)).pass(Pass::Run)
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Keyframes>) -> Result<()> {
        let picture = out.body(Bytes::from("first")).await?;
        for segment in work.segments() {
            let frame = Keyframe::new(segment.span.start_us, (64, 36), picture);
            if out.part(*segment, &Keyframes::new(vec![frame])).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_stage_that_refers_to_what_it_has_not_given_fails_and_nothing_of_it_is_kept() {
    let home = Home::new();
    let (clip, stage, all) = (Source::from(home.clip("clip.mp4", 2)), Arc::new(Borrows), Selection::all());
    let error = home.cache().compute(&clip, &stage, &all).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Internal && error.message().contains("not given for segment 1"), "{error}");
    let there = home.cache().coverage(&clip, &stage, &all).await.unwrap();
    assert_eq!(there.present.iter().map(|segment| segment.index).collect::<Vec<_>>(), [0]);
}
