//! Sources cut on the time axis: only gaps are computed, and what is put together is what one pass gives.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cache_core::{BackendExt, Key, KeyPrefix};
use pipeline::{
    ArtifactCache, Keyframe, KeyframeParams, KeyframeStage, Keyframes, Kind, Pick, Selection, Source, Span,
};

use super::support::Home;

const SECOND: i64 = 1_000_000;

fn stage(home: &Home, params: KeyframeParams) -> Arc<KeyframeStage> {
    let stage = KeyframeStage::new(params, home.ffmpeg.clone()).expect("parameters in range");
    Arc::new(stage.segment(Duration::from_secs(1)))
}

async fn all(cache: &ArtifactCache, source: &Source, stage: &Arc<KeyframeStage>) -> Vec<(Keyframe, Bytes)> {
    let artifact = cache.compute(source, stage, &Selection::all()).await.expect("keyframes");
    assert!(artifact.coverage().complete);
    let bodies = artifact.bodies(&artifact.value().bodies()).await.expect("pictures");
    artifact.value().frames.iter().copied().zip(bodies).collect()
}

/// Forgets the segment at `index`, with its pictures.
async fn forget(home: &Home, cache: &ArtifactCache, source: &Source, stage: &Arc<KeyframeStage>, index: u32) {
    let told = cache.explain(source, stage.clone(), &Selection::all()).await.expect("an explanation");
    let part = Key::parse(&told.key).and_then(|root| root.child(index).build()).expect("a key");
    home.backend.remove_prefix(&KeyPrefix::below(&part)).await.expect("a removal");
}

/// Whatever segment is lost, it comes back as it was.
async fn assert_gaps_close(home: &Home, clip: &Path, params: KeyframeParams) {
    let (cache, source, stage) = (home.cache(), Source::from(clip), stage(home, params));
    let whole = all(&cache, &source, &stage).await;
    let artifact = cache.get(&source, &stage, &Selection::all()).await.expect("an answer").expect("keyframes");
    let (segments, clip) = (artifact.coverage().segments, clip.display());
    assert!(segments > 3, "{segments} segments of {clip}");
    for index in [1, segments / 2, segments - 1] {
        forget(home, &cache, &source, &stage, index).await;
        let coverage = cache.coverage(&source, &stage, &Selection::all()).await.expect("an answer");
        assert_eq!(coverage.absent.iter().map(|segment| segment.index).collect::<Vec<_>>(), [index]);
        let again = all(&cache, &source, &stage).await;
        let times = |frames: &[(Keyframe, Bytes)]| frames.iter().map(|(info, _)| info.pts_us).collect::<Vec<_>>();
        assert_eq!(times(&again), times(&whole), "{clip} without segment {index}");
        assert!(again == whole, "{clip} without segment {index}: other pictures");
    }
}

const FILM: [&str; 6] = ["-f", "lavfi", "-i", "testsrc2=duration=8:size=128x72:rate=30000/1001", "-g", "12"];

/// One test for each container, so that they run side by side.
macro_rules! lost_segments_come_back {
    ($($test:ident: $name:literal, $options:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let home = Home::new();
            let clip = home.clip_of($name, &[&FILM[..], &$options[..]].concat());
            assert_gaps_close(&home, &clip, KeyframeParams::default()).await;
        }
    )*};
}

lost_segments_come_back! {
    a_lost_segment_comes_back_as_it_was_in_mp4: "film.mp4", [""; 0];
    a_lost_segment_comes_back_as_it_was_in_mkv: "film.mkv", [""; 0];
    a_lost_segment_comes_back_as_it_was_in_ts: "film.ts", [""; 0];
    a_lost_segment_comes_back_as_it_was_in_webm: "film.webm", ["-c:v", "libvpx", "-deadline", "realtime"];
    a_lost_segment_comes_back_as_it_was_in_avi: "film.avi", ["-c:v", "mpeg4"];
    a_lost_segment_comes_back_as_it_was_behind_an_offset: "offset.ts", ["-output_ts_offset", "5.5"];
    a_lost_segment_comes_back_as_it_was_late: "late.mkv", ["-output_ts_offset", "5400"];
    a_lost_segment_comes_back_as_it_was_with_few_keyframes: "sparse.mp4", ["-g", "45"];
    a_lost_segment_comes_back_as_it_was_at_a_variable_rate:
        "vfr.mkv", ["-vf", "select='not(mod(n,3))+lt(n,40)'", "-fps_mode", "vfr"];
}

#[tokio::test]
async fn a_lost_segment_comes_back_as_it_was_whatever_is_picked() {
    let home = Home::new();
    let scenes = "testsrc2=duration=8:size=128x72:rate=10,hue=h='90*floor(t/0.7)':b='mod(floor(t/0.7),2)'";
    let clip = home.clip_of("scenes.mp4", &["-f", "lavfi", "-i", scenes]);
    let params = KeyframeParams::default();
    for params in [
        KeyframeParams { pick: Pick::Scene(0.05), ..params },
        KeyframeParams { pick: Pick::Any, interval: Some(0.4), ..params },
        KeyframeParams { pick: Pick::Scene(0.05), interval: Some(1.0), ..params },
    ] {
        assert_gaps_close(&home, &clip, params).await;
    }
}

#[tokio::test]
async fn a_stretch_or_fewer_frames_are_answered_from_more() {
    let mut home = Home::new();
    home.count_runs();
    let clip = Source::from(home.clip("clip.mp4", 6));
    let (cache, stage) = (home.cache(), stage(&home, KeyframeParams::default()));
    let whole = all(&cache, &clip, &stage).await;
    let stretch = Selection::all().span(Span::new(2 * SECOND, 4 * SECOND));
    let times = |frames: &Keyframes| frames.frames.iter().map(|frame| frame.pts_us / SECOND).collect::<Vec<_>>();
    let some = cache.get(&clip, &stage, &stretch).await.unwrap().unwrap();
    assert_eq!(times(some.value()), [2, 3]);
    assert_eq!(some.bodies(&some.value().bodies()).await.unwrap(), [whole[2].1.clone(), whole[3].1.clone()]);
    let few = cache.compute(&clip, &stage, &Selection::all().most(2)).await.unwrap();
    assert_eq!(times(few.value()), [0, 1]);
    let few = cache.compute(&clip, &stage, &stretch.most(1)).await.unwrap();
    assert_eq!(times(few.value()), [2]);
    assert_eq!(home.runs(), 1);
}

#[tokio::test]
async fn only_what_is_asked_for_is_computed_and_then_only_the_rest() {
    let mut home = Home::new();
    home.count_runs();
    let clip = Source::from(home.clip("clip.mp4", 6));
    let (cache, stage) = (home.cache(), stage(&home, KeyframeParams::default()));
    let stretch = Selection::all().span(Span::new(2 * SECOND, 4 * SECOND));
    assert_eq!(cache.compute(&clip, &stage, &stretch).await.unwrap().value().frames.len(), 2);
    let coverage = cache.coverage(&clip, &stage, &Selection::all()).await.unwrap();
    assert_eq!(coverage.present.iter().map(|segment| segment.index).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(coverage.gaps(), [Span::new(0, 2 * SECOND), Span::new(4 * SECOND, 6 * SECOND)]);
    assert!(!coverage.complete);

    let few = cache.compute(&clip, &stage, &Selection::all().most(1)).await.unwrap();
    assert_eq!(few.value().frames.len(), 1);
    let coverage = cache.coverage(&clip, &stage, &Selection::all()).await.unwrap();
    assert_eq!(coverage.present.len(), 3, "one more segment was enough");
    assert_eq!(home.runs(), 2);

    assert_eq!(all(&cache, &clip, &stage).await.len(), 6);
    assert_eq!(home.runs(), 4, "a pass over each gap");
}

#[tokio::test]
async fn the_parts_are_those_of_the_whole() {
    let home = Home::new();
    let clip = Source::from(home.clip_of("film.mp4", &FILM));
    let cut = all(&home.cache(), &clip, &stage(&home, KeyframeParams::default())).await;
    let uncut = KeyframeStage::new(KeyframeParams::default(), home.ffmpeg.clone()).unwrap();
    let whole = all(&home.cache(), &clip, &Arc::new(uncut)).await;
    let seen =
        |frames: Vec<(Keyframe, Bytes)>| frames.into_iter().map(|(f, jpeg)| (f.pts_us, jpeg)).collect::<Vec<_>>();
    assert!(seen(cut) == seen(whole));
}
