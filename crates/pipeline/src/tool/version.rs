//! Which version of a program is installed.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Key, Result};

use super::Tool;
use crate::source::shown;
use crate::stage::Program;
use crate::{Digest, blocking};

const LIMIT: Duration = Duration::from_secs(30);
const MAX_OUTPUT: usize = 1 << 20;
/// The longest version, in bytes.
const MAX_VERSION: usize = 200;

/// Where `program` is, and a key that changes with its file; `None` when it is not installed.
pub(crate) async fn locate(program: &Program) -> Result<Option<(PathBuf, Key)>> {
    let (name, path, ask) = (program.name, program.path.clone(), program.ask);
    blocking::run(move || {
        let Some((path, meta)) = find(&path) else { return Ok(None) };
        let place = Digest::of(path.as_os_str().as_encoded_bytes());
        let key = Key::of(name)
            .part(place)
            .param("ask", ask)
            .param("dev", meta.dev())
            .param("inode", meta.ino())
            .param("len", meta.len())
            .param("mtime", i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()));
        Ok(Some((path, key.build()?)))
    })
    .await
}

/// Where `file` is, if its content decides what comes out.
pub(crate) async fn decisive(file: &crate::stage::File) -> Result<Option<PathBuf>> {
    let crate::stage::File { path, is_program } = file.clone();
    blocking::run(move || {
        if is_program {
            return Ok(find(&path).map(|(path, _)| path).filter(|path| is_script(path)));
        }
        Ok(std::fs::metadata(&path).is_ok_and(|meta| meta.is_file() && meta.len() > 0).then_some(path))
    })
    .await
}

/// Whether the file is text that another program reads.
fn is_script(path: &Path) -> bool {
    let mut mark = [0; 2];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut mark)).is_ok_and(|()| &mark == b"#!")
}

/// What the program at `path` prints first when it is asked for its version.
pub(crate) async fn version(name: &'static str, path: &Path, ask: &'static str) -> Result<String> {
    let tool = Tool { program: path, name, install: "install it", limit: LIMIT, max_stdout: MAX_OUTPUT };
    let finished = tool.run(vec![OsString::from(ask)]).await?;
    let line = String::from_utf8_lossy(&finished.stdout).lines().next().unwrap_or_default().trim().to_owned();
    if !finished.status.success() || line.is_empty() {
        let (path, complaint) = (shown(path), finished.complaint);
        let message = format!("{name} ({path}) does not tell its version when asked with {ask}: {complaint}");
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    // What follows tells of copyright years and nothing else.
    let line = line.split(" Copyright").next().unwrap_or_default();
    Ok(line.chars().filter(|c| !c.is_control()).take(MAX_VERSION).collect())
}

/// The file that would be run, as the system searches for it.
fn find(program: &Path) -> Option<(PathBuf, std::fs::Metadata)> {
    let file = |path: PathBuf| {
        let meta = std::fs::metadata(&path).ok()?;
        (meta.is_file() && meta.mode() & 0o111 != 0).then_some((path, meta))
    };
    if program.components().count() > 1 || program.is_absolute() {
        return file(program.to_owned());
    }
    std::env::split_paths(&std::env::var_os("PATH")?).find_map(|folder| file(folder.join(program)))
}
