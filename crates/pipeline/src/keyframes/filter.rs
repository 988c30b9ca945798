//! What ffmpeg is told to do with the frames.

use super::{KeyframeParams, Pick};
use crate::probe::{Turn, VideoStream};

/// The filters: frames are picked, their times printed, then they are laid and scaled.
///
/// They are numbered before they are encoded: the encoder refuses times that go back.
pub(super) fn filter(video: &VideoStream, params: &KeyframeParams) -> String {
    // Frames without metadata are not printed.
    let print = "settb=1/1000000,metadata=mode=add:key=k:value=1,metadata=mode=print:file=pipe\\\\:2:direct=1,setpts=N";
    // The dimensions may change in the middle of the stream: only this filter may see that.
    let same = format!("scale={}:{}", video.width, video.height);
    let (same, lay) = match video.turn {
        Turn::Upright => (same, String::new()),
        Turn::Laid(lay) => (same, lay.filters()),
        // Turned by ffmpeg itself, before it comes here.
        Turn::Other => ("scale".to_owned(), String::new()),
    };
    let narrow = params.max_width.map_or_else(String::new, |width| format!(",scale=w='min({width},iw)':h=-1"));
    let select = select(video, params);
    format!("{select}{print},{same}{lay}{narrow}")
}

fn select(video: &VideoStream, params: &KeyframeParams) -> String {
    let pick = match params.pick {
        // With times, nothing else is decoded. Without, they are counted by frames, so every frame has to be.
        Pick::Key if video.start_us.is_some() => None,
        Pick::Key => Some("key".to_owned()),
        Pick::Scene(threshold) => Some(format!("eq(n,0)+gt(scene,{threshold})")),
        Pick::Any => None,
    };
    // Stretches are counted from the start of the stream, so that they are the same wherever a pass begins.
    let start = video.start_us.unwrap_or_default() as f64 / 1e6;
    let thin = params.interval.map(|interval| {
        let stretch = |time: &str| format!("floor(({time}-({start:.6}))/{interval}+0.000001)");
        format!("(isnan(prev_selected_t)+gt({},{}))", stretch("t"), stretch("prev_selected_t"))
    });
    match (pick, thin) {
        (None, None) => String::new(),
        (Some(rule), None) | (None, Some(rule)) => format!("select='{rule}',"),
        (Some(pick), Some(thin)) => format!("select='({pick})*{thin}',"),
    }
}
