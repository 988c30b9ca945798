//! Rows F1 and F3: images after a kill, and after a loss of power, at every change of the disk.

use std::path::Path;

use cache_core::Backend;
use cache_file::{Durability, FileBackend};

use crate::Outcome;
use crate::disk::Disk;
use crate::image::Image;
use crate::loss::{Loss, Walk};
use crate::rows::Pace;
use crate::script::{Arena, Rng};
use crate::story::{Promise, Setting, Story, Tally};

/// Room for a part of a story.
const TIGHT: u64 = 500 << 10;

/// Kills at every change, in the middle of writes, and in the middle of the openings that follow.
pub(crate) async fn kills(root: &Path, pace: Pace, seed: u64) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let mut rng = Rng::new(seed);
    for capacity in [Arena::Roomy.capacity(), TIGHT] {
        let steps = pace.of(40, 160);
        let setting = Setting { capacity, durability: Durability::Process, steps, seed };
        let story = Story::record(root, setting).await?;
        let mut walk = Walk::new(story.start.clone(), &story.log);
        for at in 0..=story.log.len() {
            walk.advance(at);
            story.weigh(&walk.whole, at, &mut tally);
            let what = format!("killed at change {at} of {} with room for {capacity}", story.log.len());
            let torn = walk.torn_by_kill(&mut rng);
            for image in [Some(walk.whole.clone()), torn].into_iter().flatten() {
                story.judge(&Disk::new(image), at, Promise::Acknowledged, &what, &mut tally).await;
            }
            if at % pace.of(6, 2) as usize == 0 {
                while_opening(&story, &walk.whole, at, &mut rng, &what, &mut tally).await?;
            }
        }
    }
    Ok(tally)
}

/// Kills the opening, and the opening after it.
async fn while_opening(
    story: &Story,
    image: &Image,
    at: usize,
    rng: &mut Rng,
    what: &str,
    tally: &mut Tally,
) -> Outcome<()> {
    let mut image = image.clone();
    let mut cuts: Vec<usize> = Vec::new();
    for _ in 0..4 {
        let disk = Disk::new(image.clone());
        disk.record();
        FileBackend::open(story.config(&disk)).await?.close().await?;
        let log = disk.take_log();
        let mut walk = Walk::new(image, &log);
        // Never the same place twice: that is what a damaged index does.
        let cut = loop {
            let cut = rng.below(log.len() as u64) as usize;
            if cuts.iter().all(|other| cut.abs_diff(*other) > 2) {
                break cut;
            }
        };
        cuts.push(cut);
        walk.advance(cut);
        image = walk.whole;
        let what = format!("{what}, and openings killed at {cuts:?}");
        story.judge(&Disk::new(image.clone()), at, Promise::Acknowledged, &what, tally).await;
    }
    Ok(())
}

/// Loses power at every change, in every way.
pub(crate) async fn power(root: &Path, pace: Pace, seed: u64, durability: Durability) -> Outcome<Tally> {
    let promise = match durability {
        Durability::Process => Promise::NothingWrong,
        _ => Promise::Acknowledged,
    };
    let mut tally = Tally::default();
    let mut rng = Rng::new(seed);
    for capacity in [Arena::Roomy.capacity(), TIGHT] {
        let setting = Setting { capacity, durability, steps: pace.of(24, 120), seed };
        let story = Story::record(root, setting).await?;
        let mut walk = Walk::new(story.start.clone(), &story.log);
        for at in (0..=story.log.len()).step_by(pace.of(2, 1) as usize) {
            walk.advance(at);
            let mut losses = vec![Loss::None];
            let missing = walk.at_stake().min(pace.of(3, 24) as usize);
            losses.extend((0..missing).map(|_| Loss::AllBut(rng.below(walk.at_stake() as u64) as usize)));
            let drawn = pace.of(1, 6) as usize;
            losses.extend([Loss::Some, Loss::Torn].into_iter().flat_map(|loss| vec![loss; drawn]));
            for loss in losses {
                let what = format!("{durability:?}: no power at change {at} of {}: {loss:?}", story.log.len());
                let image = walk.after(loss, &mut rng);
                story.judge(&Disk::new(image), at, promise, &what, &mut tally).await;
            }
        }
    }
    Ok(tally)
}
