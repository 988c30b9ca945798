//! A whole library: what is missing of each video costs the same, however many there are.

use std::fs;
use std::time::{Duration, Instant};

use pipeline::{Fingerprinting, KeyframeParams, Plan, Source, Span};

use super::support::{Home, stage};

const VIDEOS: usize = 10_000;

#[tokio::test]
async fn what_is_missing_of_ten_thousand_videos_takes_flat_time() {
    let home = Home::new();
    let cache = home.cache_of(Fingerprinting::Sampled);
    let clip = home.clip("clip.mp4", 2);
    let plan = Plan::new().stage(stage(KeyframeParams::default(), &home.ffmpeg));
    cache.run(&Source::from(&clip), &plan).await.unwrap();
    let library = home.path("library");
    fs::create_dir(&library).unwrap();
    let mut took = Vec::new();
    let mut complete = 0;
    for number in 0..VIDEOS {
        let path = library.join(number.to_string());
        // Every hundredth is a video that was seen, by content.
        if number % 100 == 0 {
            assert!(fs::copy(&clip, &path).unwrap() > 0);
        } else {
            fs::write(&path, number.to_string()).unwrap();
        }
        let began = Instant::now();
        let missing = cache.missing(&Source::from(path), &plan).await.unwrap();
        took.push(began.elapsed());
        match &missing[..] {
            [] => complete += 1,
            [one] => assert_eq!(one.gaps, [Span::ALL]),
            _ => panic!("{missing:?}"),
        }
    }
    assert_eq!(complete, VIDEOS / 100);
    let median = |some: &[Duration]| {
        let mut some = some.to_vec();
        some.sort();
        some[some.len() / 2]
    };
    let (first, last) = (median(&took[..VIDEOS / 10]), median(&took[VIDEOS - VIDEOS / 10..]));
    println!("a video of the first tenth took {first:?}, of the last {last:?}");
    assert!(last < 3 * first, "{first:?} at first, {last:?} in the end");
}
