//! Two stages that find something at once: pictures, and words for them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::Result;
use pipeline::{Description, Descriptions, Keyframes, Next, Output, Plan, Recipe, Stage, Work};

use crate::film::keyframe;

const SEGMENT: Duration = Duration::from_mins(5);
/// Pictures of a segment, one every minute.
const PICTURES: i64 = 5;
const MINUTE_US: i64 = 60_000_000;

/// Finds pictures.
#[derive(Debug)]
struct Draws;

/// Finds words for the pictures.
#[derive(Debug)]
struct Tells;

/// Both.
pub(super) fn plan() -> Plan {
    Plan::new().stage(Arc::new(Draws)).stage(Arc::new(Tells))
}

#[async_trait]
impl Stage for Draws {
    type Kind = Keyframes;

    fn recipe(&self) -> Recipe {
        Recipe::new("draws", 1).segment(SEGMENT)
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Keyframes>) -> Result<()> {
        for segment in work.segments() {
            let mut part = Keyframes::default();
            for number in 0..PICTURES {
                let picture = out.body(Bytes::from(format!("{number:2048}"))).await?;
                part.frames.push(keyframe(segment.span.start_us + number * MINUTE_US, picture));
            }
            if out.part(*segment, &part).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Stage for Tells {
    type Kind = Descriptions;

    fn recipe(&self) -> Recipe {
        Recipe::new("tells", 1).input(Arc::new(Draws)).segment(SEGMENT)
    }

    async fn compute(&self, work: &Work, out: &mut Output<'_, Descriptions>) -> Result<()> {
        for segment in work.segments() {
            let seen = work.input::<Keyframes>(segment.span).await?;
            let tell =
                |pts_us| Description { pts_us, text: format!("what is seen at {pts_us} us, in a sentence or two") };
            let descriptions = seen.value().frames.iter().map(|frame| tell(frame.pts_us)).collect();
            if out.part(*segment, &Descriptions { descriptions }).await? == Next::Enough {
                break;
            }
        }
        Ok(())
    }
}
