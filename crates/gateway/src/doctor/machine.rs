//! What the machine offers: configuration file, programs, directory, free space, clock.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use cache_core::{Clock, SystemClock};
use pipeline::Ffmpeg;
use tokio::process::Command;
use tokio::time::timeout;

use super::Finding;
use crate::config::{Cache, Effective};
use crate::units::ByteCount;

/// Time for a program to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// How far the clocks of the machine and of the file system may be apart.
const DRIFT: Duration = Duration::from_secs(5);
/// The first of January 2026: no clock that is right is before it.
const BUILT: Duration = Duration::from_hours(490_896);

/// Whether others may read secrets in the file.
pub(super) fn configuration(effective: &Effective) -> Finding {
    let Some(path) = &effective.file else {
        return Finding::ok("configuration", "no file; defaults, variables and flags");
    };
    let shown = path.display();
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o007 != 0 && effective.has_secrets => Finding::warning(
            "configuration",
            format!("{shown} may be read by every user, and holds a secret"),
            format!("run: chmod 600 {shown}"),
        ),
        _ => Finding::ok("configuration", shown.to_string()),
    }
}

/// The programs that are started.
pub(super) async fn programs(yt_dlp_needed: bool) -> Vec<Finding> {
    let Ffmpeg { ffmpeg, ffprobe, .. } = Ffmpeg::from_env();
    let advice = |name: &str| format!("install ffmpeg (apt install ffmpeg), or set REELCACHE_{name} to its path");
    let mut findings = Vec::new();
    for (name, program) in [("ffmpeg", ffmpeg), ("ffprobe", ffprobe)] {
        findings.push(match version(&program, "-version").await {
            Ok(version) => Finding::ok(name, version),
            Err(why) => Finding::failed(name, why, advice(&name.to_uppercase())),
        });
    }
    let advice = "install yt-dlp (pip install yt-dlp): providers of the kind yt-dlp and songs need it";
    findings.push(match version(Path::new("yt-dlp"), "--version").await {
        Ok(version) => Finding::ok("yt-dlp", version),
        Err(why) if yt_dlp_needed => Finding::failed("yt-dlp", why, advice),
        Err(why) => Finding::warning("yt-dlp", why, advice),
    });
    findings
}

/// The first line that a program prints when it is asked for its version.
async fn version(program: &Path, flag: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.arg(flag).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let shown = program.display();
    match timeout(VERSION_LIMIT, command.output()).await {
        Err(_) => Err(format!("{shown} does not answer within {VERSION_LIMIT:?}")),
        Ok(Err(error)) => Err(format!("{shown} cannot be started: {error}")),
        Ok(Ok(output)) if !output.status.success() => Err(format!("{shown} ends with {}", output.status)),
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stdout);
            Ok(text.lines().next().unwrap_or_default().chars().take(80).collect())
        }
    }
}

/// The cache directory: whether it may be written, by whom, how much room there is, and what time it is there.
pub(super) async fn directory(cache: &Cache) -> Vec<Finding> {
    let dir = match cache.directory() {
        Ok(dir) => dir,
        Err(error) => {
            return vec![Finding::of_error("directory", &error, "set REELCACHE_DIR to a directory on a local disk")];
        }
    };
    let (budget, reserve) = (cache.disk.0, cache.disk_reserve.0);
    let looked = tokio::task::spawn_blocking(move || look(&dir, budget, reserve)).await;
    looked.unwrap_or_else(|error| vec![Finding::failed("directory", error.to_string(), "tell the makers of Reelcache")])
}

fn look(dir: &Path, budget: u64, reserve: u64) -> Vec<Finding> {
    let shown = dir.display();
    let there = existing(dir);
    if there == dir && !dir.is_dir() {
        let advice = "move it away, or set REELCACHE_DIR to another place";
        return vec![Finding::failed("directory", format!("{shown} is no directory"), advice)];
    }
    let mut findings = Vec::new();
    match try_writing(&there) {
        Ok(written) => {
            let found = if there == dir { shown.to_string() } else { format!("{shown} can be made") };
            findings.push(Finding::ok("directory", found));
            findings.push(clock(written));
        }
        Err(error) => {
            let advice =
                format!("make {} writable for this user, or set REELCACHE_DIR to another place", there.display());
            findings.push(Finding::failed("directory", format!("{shown} cannot be written: {error}"), advice));
        }
    }
    findings.extend(open_to_others(dir));
    findings.push(free_space(&there, budget, reserve));
    findings
}

/// The directory itself, or the nearest one above it that is there.
fn existing(dir: &Path) -> PathBuf {
    dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Writes a file and removes it; when the file system says that was.
fn try_writing(dir: &Path) -> io::Result<SystemTime> {
    let path = dir.join(format!(".reelcache-doctor-{}", std::process::id()));
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    let written = io::Write::write_all(&mut &file, b"a test").and_then(|()| file.metadata()?.modified());
    fs::remove_file(&path)?;
    written
}

fn open_to_others(dir: &Path) -> Option<Finding> {
    let meta = fs::metadata(dir).ok()?;
    let shown = dir.display();
    if meta.mode() & 0o002 == 0 {
        return None;
    }
    let found = format!("every user may write into {shown}");
    Some(Finding::warning("permissions", found, format!("run: chmod o-w {shown}")))
}

fn free_space(dir: &Path, budget: u64, reserve: u64) -> Finding {
    let stat = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => return Finding::warning("free space", error.to_string(), "look with df"),
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let found = format!("{} free, the budget is {}", ByteCount(free), ByteCount(budget));
    if free < reserve {
        let advice = "free some space, or lower cache.disk_reserve: nothing is taken in meanwhile";
        Finding::failed("free space", format!("{found}, of which {} are reserved", ByteCount(reserve)), advice)
    } else if free < budget {
        let advice =
            "unless the cache holds the difference already, free some space or lower cache.disk (CACHE_MAX_DISK_MB)";
        Finding::warning("free space", found, advice)
    } else {
        Finding::ok("free space", found)
    }
}

fn clock(written: SystemTime) -> Finding {
    let now = Duration::from_millis(SystemClock::new().now().as_millis());
    let written = written.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let apart = now.abs_diff(written);
    let advice = "set the clock by NTP (timedatectl set-ntp true): entries live by it";
    if now < BUILT {
        Finding::failed("clock", "it is before 2026", advice)
    } else if apart > DRIFT {
        Finding::warning("clock", format!("the file system's is {apart:?} apart from this machine's"), advice)
    } else {
        Finding::ok("clock", "set, and the file system's is the same")
    }
}
