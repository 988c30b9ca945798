//! What is to be processed: files, what is in folders, and lists of both.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cache_core::{Error, ErrorKind, Result};

use crate::text::quoted;

/// What names of films in folders end in; docs/processing.md lists them.
const FILMS: [&str; 21] = [
    "3gp", "avi", "divx", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogm", "ogv", "rm",
    "ts", "vob", "webm", "wmv", "y4m",
];
/// The same of sound, which is taken where no pictures are asked for.
const SOUND: [&str; 9] = ["aac", "aiff", "flac", "m4a", "mka", "mp3", "oga", "opus", "wav"];
/// The most videos of one run, and the longest list of them in bytes.
const MOST: usize = 1_000_000;
const LONGEST_LIST: u64 = 256 << 20;
/// How deep folders are looked into.
const DEEPEST: usize = 128;

/// A video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Where what is exported of it goes: its name, below the folder that was named.
    pub(super) place: PathBuf,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// In the order of their naming, those of a folder by name.
    pub(super) inputs: Vec<Input>,
    /// What cannot be looked into, or is no file.
    pub(super) refused: Vec<(PathBuf, Error)>,
    /// Folders that were looked into: each once, whatever links lead there.
    seen: HashSet<(u64, u64)>,
    takes_sound: bool,
}

/// The videos that `named` and the lines of `from` name; `-` is standard input. Folders are looked into, for files whose
/// names end as those of films do, or of sound if that is what is wanted; other files are taken as they are.
///
/// Blocks: on disks, and on whoever writes the list.
///
/// # Errors
/// When the list cannot be read; `Invalid` for more than a million videos.
pub(super) fn list(named: &[PathBuf], from: Option<&Path>, takes_sound: bool) -> Result<Listing> {
    let mut listing = Listing { takes_sound, ..Listing::default() };
    let lines = from.map(lines_of).transpose()?.unwrap_or_default();
    for path in named.iter().chain(&lines) {
        if path.is_dir() {
            let before = (listing.inputs.len(), listing.refused.len());
            listing.look_into(path, Path::new(""), 0)?;
            if before == (listing.inputs.len(), listing.refused.len()) {
                listing.refuse(path, "is a directory without videos in it");
            }
        } else {
            let place = path.file_name().unwrap_or(OsStr::new("video")).into();
            listing.take(path.clone(), place)?;
        }
    }
    Ok(listing)
}

impl Listing {
    fn look_into(&mut self, folder: &Path, below: &Path, depth: usize) -> Result<()> {
        let entries = fs::metadata(folder).and_then(|meta| {
            if !self.seen.insert((meta.dev(), meta.ino())) {
                return Ok(Vec::new());
            }
            let mut names = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                // What is hidden is not meant to be seen: parts of downloads, what other systems keep beside files.
                let is_hidden = name.as_bytes().starts_with(b".");
                // Of the millions of other files that a folder may hold, not even the names are kept.
                if !is_hidden && (self.is_media(&name) || !entry.file_type().is_ok_and(|kind| kind.is_file())) {
                    names.push(name);
                }
            }
            names.sort_unstable();
            Ok(names)
        });
        let names = match entries {
            Ok(_) if depth > DEEPEST => {
                self.refuse(folder, "is too deep in other folders: name it by itself");
                return Ok(());
            }
            Ok(names) => names,
            Err(error) => {
                self.refuse(folder, &format!("cannot be looked into: {error}"));
                return Ok(());
            }
        };
        for name in &names {
            let (path, place) = (folder.join(name), below.join(name));
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => self.look_into(&path, &place, depth + 1)?,
                _ if !self.is_media(name) => {}
                Ok(meta) if meta.is_file() => self.take(path, place)?,
                Ok(_) => self.refuse(&path, "is not a regular file"),
                Err(error) => self.refuse(&path, &format!("cannot be read: {error}")),
            }
        }
        Ok(())
    }

    fn is_media(&self, name: &OsStr) -> bool {
        let ending = Path::new(name).extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        let is_of = |endings: &[&str]| ending.as_deref().is_some_and(|ending| endings.contains(&ending));
        is_of(&FILMS) || (self.takes_sound && is_of(&SOUND))
    }

    fn take(&mut self, path: PathBuf, place: PathBuf) -> Result<()> {
        if self.inputs.len() == MOST {
            let message = format!("more than {MOST} videos are named: process them in several runs");
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.inputs.push(Input { path, place });
        Ok(())
    }

    fn refuse(&mut self, path: &Path, why: &str) {
        // Enough to know what is wrong, whatever is there.
        if self.refused.len() < MOST {
            let error = Error::new(ErrorKind::Invalid, format!("{} {why}", quoted(path)));
            self.refused.push((path.to_owned(), error));
        }
    }
}

/// The lines of a list, or what is between its NUL bytes if it has any.
fn lines_of(from: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: io::Error| {
        let message = format!("the list {} cannot be read: {error}", from.display());
        Error::new(ErrorKind::Invalid, message)
    };
    let mut bytes = Vec::new();
    let read = if from == Path::new("-") {
        io::stdin().lock().take(LONGEST_LIST + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(from).and_then(|file| file.take(LONGEST_LIST + 1).read_to_end(&mut bytes))
    };
    if read.map_err(failed)? as u64 > LONGEST_LIST {
        return Err(Error::new(ErrorKind::Invalid, format!("the list {} is too long: split it", from.display())));
    }
    let has_nul = bytes.contains(&0);
    let lines = bytes.split(|&byte| byte == if has_nul { 0 } else { b'\n' });
    let lines = lines.map(|line| if has_nul { line } else { line.strip_suffix(b"\r").unwrap_or(line) });
    let path = |line: &[u8]| PathBuf::from(std::ffi::OsString::from_vec(line.to_vec()));
    Ok(lines.filter(|line| !line.is_empty()).map(path).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    /// What is found in a folder with `make` in it, its paths below it.
    fn found(takes_sound: bool, make: impl FnOnce(&Path)) -> (Vec<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path());
        let listing = list(&[folder.path().to_owned()], None, takes_sound).unwrap();
        let places = listing.inputs.iter().map(|input| input.place.display().to_string()).collect();
        (places, listing.refused.iter().map(|(_, error)| error.message().to_owned()).collect())
    }

    fn touch(folder: &Path, names: &[&str]) {
        for name in names {
            fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
    }

    #[test]
    fn films_are_found_by_their_names_in_order_and_hidden_ones_are_not() {
        let names = ["b.MKV", "a/z.mp4", "a/b/c.webm", "c.txt", "d.mp3", ".e.mp4", ".git/f.mp4", "g.mp4.part"];
        let (films, refused) = found(false, |folder| touch(folder, &names));
        assert_eq!((films, refused.len()), (vec!["a/b/c.webm".into(), "a/z.mp4".into(), "b.MKV".into()], 0));
        assert!(found(true, |folder| touch(folder, &names)).0.contains(&"d.mp3".to_owned()));
    }

    #[test]
    fn links_in_circles_end_and_a_folder_is_looked_into_once() {
        let (films, refused) = found(false, |folder| {
            touch(folder, &["a/one.mp4"]);
            symlink(folder, folder.join("a/up")).unwrap();
            symlink(folder.join("a"), folder.join("again")).unwrap();
            symlink("loop.mp4", folder.join("loop.mp4")).unwrap();
        });
        assert_eq!(films, ["a/one.mp4"]);
        assert!(refused.len() == 1 && refused[0].contains("loop.mp4"), "{refused:?}");
    }

    #[test]
    fn what_is_no_file_is_told_and_an_empty_folder_too() {
        let (films, refused) = found(false, |folder| {
            assert!(Command::new("mkfifo").arg(folder.join("pipe.mp4")).status().unwrap().success());
            symlink("nowhere", folder.join("gone.mp4")).unwrap();
            touch(folder, &["film.mp4"]);
        });
        assert_eq!((films.len(), refused.len()), (1, 2), "{refused:?}");
        assert!(found(false, |_| ()).1[0].contains("directory without videos"));
    }

    #[test]
    fn lists_have_lines_or_nul_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        for text in ["a.mp4\r\n\nb c.mp4\n", "a.mp4\0b c.mp4\0"] {
            fs::write(&list, text).unwrap();
            assert_eq!(lines_of(&list).unwrap(), [PathBuf::from("a.mp4"), "b c.mp4".into()], "{text:?}");
        }
        fs::write(&list, "two\nlines.mp4\0").unwrap();
        assert_eq!(lines_of(&list).unwrap(), [PathBuf::from("two\nlines.mp4")]);
        assert!(lines_of(&folder.path().join("none")).unwrap_err().message().contains("none"));
    }
}
