//! Processes that this one starts: itself again, and ffmpeg.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names the directory that a process which this one has started is to work in.
const DIR: &str = "REELCACHE_BENCH_DIR";

/// What the process was started to do, where `variable` says it, and in which directory; nothing in any other.
pub(crate) fn told(variable: &str) -> Option<(String, PathBuf)> {
    Some((std::env::var(variable).ok()?, std::env::var_os(DIR)?.into()))
}

/// The figures that this program prints when it is started anew, told `what` by `variable`.
pub(crate) fn figures<const N: usize>(variable: &str, what: &str, dir: &Path) -> Result<[f64; N], String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program).env(variable, what).env(DIR, dir).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Option<Vec<f64>> = text.split_whitespace().map(|figure| figure.parse().ok()).collect();
    let figures = figures.and_then(|figures| figures.try_into().ok());
    figures.ok_or_else(|| format!("{what} ended with {} and printed {text:?}", output.status))
}

/// Prints what [`figures`] reads.
#[expect(clippy::print_stdout, reason = "the process that started this one reads it")]
pub(crate) fn tell(figures: &[f64]) {
    let figures: Vec<String> = figures.iter().map(ToString::to_string).collect();
    println!("{}", figures.join(" "));
}

/// Runs ffmpeg, its standard output thrown away.
pub(crate) fn ffmpeg(arguments: &[&dyn AsRef<OsStr>]) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(arguments.iter().map(AsRef::as_ref));
    assert!(command.stdout(Stdio::null()).status().expect("ffmpeg: install it").success(), "ffmpeg failed");
}

/// Seconds of processor time that this process has taken so far, with all that it has started and that have ended.
pub(crate) fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("what the system tells");
    // The name of the program, which may hold anything, ends with the last bracket; four sums of hundredths are the
    // 12th to 15th fields after it.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Bytes of this process that are in memory.
pub(crate) fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("what the system tells");
    text.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok()).expect("a number") * 4096.0
}
