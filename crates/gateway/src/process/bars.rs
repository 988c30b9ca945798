//! `Bars`: progress on a terminal.

use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::time::Duration;

use futures_util::future::select_all;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::{RunProgress, RunWatch};

use crate::text::{one_line, roughly};

/// A line for each video under way and one for all, on standard error while that is a terminal; nothing otherwise.
#[derive(Debug)]
pub(super) struct Bars {
    shown: Option<(MultiProgress, ProgressBar)>,
}

/// The line of one video, which goes with it.
#[derive(Debug)]
pub(super) struct Bar(Option<ProgressBar>);

/// How often a line is drawn at most, in a second.
const PACE: u8 = 10;
const OF_ALL: &str = "{elapsed_precise} [{bar:30}] {pos}/{len} videos, {eta} left";
const OF_ONE: &str = "  {prefix:30!} [{bar:20}] {msg}";

impl Bars {
    /// For so many videos.
    pub(super) fn new(videos: usize) -> Self {
        if !stderr().is_terminal() {
            return Self::none();
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(PACE));
        let total = all.add(ProgressBar::new(videos as u64).with_style(style(OF_ALL)));
        total.enable_steady_tick(Duration::from_secs(1));
        Self { shown: Some((all, total)) }
    }

    /// Shows nothing.
    pub(super) fn none() -> Self {
        Self { shown: None }
    }

    pub(super) fn are_shown(&self) -> bool {
        self.shown.is_some()
    }

    pub(super) fn begin(&self, video: &Path) -> Bar {
        Bar(self.shown.as_ref().map(|(all, total)| {
            let name = one_line(&video.file_name().unwrap_or(video.as_os_str()).to_string_lossy());
            let bar = ProgressBar::new(0).with_style(style(OF_ONE)).with_prefix(name).with_message("looking");
            all.insert_before(total, bar)
        }))
    }

    pub(super) fn one_ended(&self) {
        if let Some((_, total)) = &self.shown {
            total.inc(1);
        }
    }

    /// What `write` gives, which may write to the terminal: the lines are out of its way.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.shown {
            Some((all, _)) => all.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some((_, total)) = &self.shown {
            total.finish_and_clear();
        }
    }
}

impl Bar {
    /// What `work` gives; meanwhile shows how far the runs are.
    pub(super) async fn follow<T>(&self, mut watches: Vec<RunWatch>, work: impl Future<Output = T>) -> T {
        let Some(bar) = &self.0 else { return work.await };
        tokio::pin!(work);
        loop {
            let news = watches.iter_mut().map(|watch| Box::pin(watch.changed()));
            tokio::select! {
                answer = &mut work => return answer,
                (told, _, _) = select_all(news) => {
                    if told.is_none() {
                        return work.await;
                    }
                }
            }
            show(bar, &watches.iter().map(RunWatch::current).collect::<Vec<_>>());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn show(bar: &ProgressBar, runs: &[RunProgress]) {
    let stages = || runs.iter().flat_map(|run| &run.stages);
    bar.set_length(stages().map(|stage| stage.total).sum());
    bar.set_position(stages().map(|stage| stage.done).sum());
    let under_way = stages().filter(|stage| stage.done < stage.total);
    let mut told: Vec<String> =
        under_way.map(|stage| format!("{} {}/{}", stage.kind, stage.done, stage.total)).collect();
    if let Some(eta) = runs.iter().filter_map(|run| run.eta).max() {
        told.push(format!("{} left", roughly(eta)));
    }
    bar.set_message(told.join(", "));
}

/// A template that does not parse is left to the library's own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_right() {
        for template in [OF_ALL, OF_ONE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
