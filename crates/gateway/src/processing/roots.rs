//! `Roots`: the folders of which files may be asked for.

use std::path::{Component, Path, PathBuf};

use cache_core::{Error, ErrorKind};

use super::Refused;
use crate::text::quoted;

/// The folders of which files may be asked for; without any, none may.
#[derive(Debug, Clone)]
pub(super) struct Roots(Vec<PathBuf>);

impl Roots {
    pub(super) fn new(roots: &[PathBuf]) -> Self {
        Self(roots.to_vec())
    }

    /// The file at `path` without links in its name, if it is below a root wherever links lead.
    ///
    /// # Errors
    /// [`Refused`], which says nothing of what is outside of the roots.
    pub(super) async fn admit(&self, path: PathBuf) -> Result<PathBuf, Refused> {
        let roots = self.clone();
        tokio::task::spawn_blocking(move || roots.look(&path)).await.unwrap_or_else(|error| {
            Err(Refused::Wrong(Error::new(ErrorKind::Internal, "looking for the file panicked").with_source(error)))
        })
    }

    /// Looks again at a file that was admitted: names lead elsewhere when somebody changes them meanwhile.
    ///
    /// # Errors
    /// `Invalid` when it would not be admitted, or leads to another file.
    pub(super) async fn confirm(&self, path: &Path) -> cache_core::Result<()> {
        let message = match self.admit(path.to_owned()).await {
            Ok(found) if found == path => return Ok(()),
            Ok(_) => format!("{} leads to another file than when it was asked for", quoted(path)),
            Err(Refused::Wrong(error)) => return Err(error),
            Err(Refused::Forbidden(why) | Refused::Absent(why)) => why,
            Err(Refused::Busy) => "enough videos wait already".to_owned(),
        };
        Err(Error::new(ErrorKind::Invalid, message))
    }

    fn look(&self, path: &Path) -> Result<PathBuf, Refused> {
        let wrong = |why: &str| Refused::Wrong(Error::new(ErrorKind::Invalid, format!("{}: {why}", quoted(path))));
        if self.0.is_empty() {
            return Err(Refused::Forbidden("no files are processed here: pipeline.roots names no folder".to_owned()));
        }
        if path.as_os_str().as_encoded_bytes().contains(&0) || !path.is_absolute() {
            return Err(wrong("a path begins with / and has no NUL byte"));
        }
        if path.components().any(|part| matches!(part, Component::ParentDir)) {
            return Err(wrong("a path goes down only: write it without .."));
        }
        let outside = || Refused::Forbidden("the file is in none of the folders of pipeline.roots".to_owned());
        if !self.0.iter().any(|root| path.starts_with(root)) {
            return Err(outside());
        }
        let absent = || Refused::Absent(format!("there is no file {}", quoted(path)));
        let Ok(found) = path.canonicalize() else {
            return Err(if self.would_be_inside(path) { absent() } else { outside() });
        };
        if !self.is_inside(&found) {
            return Err(outside());
        }
        if found.is_file() { Ok(found) } else { Err(wrong("it is no regular file")) }
    }

    /// Whether a path without links is below a root.
    fn is_inside(&self, found: &Path) -> bool {
        self.0.iter().any(|root| root.canonicalize().is_ok_and(|root| found.starts_with(root)))
    }

    /// Whether it may be told that there is nothing at `path`: not where a link leads outside, or nowhere.
    fn would_be_inside(&self, path: &Path) -> bool {
        let there = path.ancestors().find(|part| part.symlink_metadata().is_ok());
        there.and_then(|part| part.canonicalize().ok()).is_some_and(|found| self.is_inside(&found))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn told(refused: &Result<PathBuf, Refused>) -> &'static str {
        match refused {
            Ok(_) => "ok",
            Err(Refused::Wrong(_)) => "wrong",
            Err(Refused::Forbidden(_)) => "forbidden",
            Err(Refused::Absent(_)) => "absent",
            Err(Refused::Busy) => "busy",
        }
    }

    #[test]
    fn only_files_below_a_root_are_admitted_wherever_links_lead() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("root/deep")).unwrap();
        fs::create_dir_all(at("root2")).unwrap();
        for file in ["root/a.mp4", "root/deep/b.mp4", "secret.mp4", "root2/c.mp4"] {
            fs::write(at(file), "film").unwrap();
        }
        symlink(at("secret.mp4"), at("root/link.mp4")).unwrap();
        symlink(folder.path(), at("root/up")).unwrap();
        symlink(at("root/a.mp4"), at("root/inside.mp4")).unwrap();
        symlink(at("nowhere"), at("root/dangling.mp4")).unwrap();
        let roots = Roots::new(&[at("root")]);
        let look = |path: PathBuf| told(&roots.look(&path));
        assert_eq!(look(at("root/a.mp4")), "ok");
        assert_eq!(look(at("root/deep/b.mp4")), "ok");
        assert_eq!(look(at("root/inside.mp4")), "ok");
        let hidden = ["root/up/none.mp4", "root/up/none/deep.mp4", "root/dangling.mp4"];
        for outside in ["root/link.mp4", "root/up/secret.mp4", "secret.mp4", "root2/c.mp4"].into_iter().chain(hidden) {
            assert_eq!(look(at(outside)), "forbidden", "{outside}");
        }
        for wrong in ["root/../secret.mp4", "root/deep", "root/a\0.mp4"] {
            assert_eq!(look(at(wrong)), "wrong", "{wrong}");
        }
        assert_eq!((look("a.mp4".into()), look(at("root/none.mp4"))), ("wrong", "absent"));
        assert_eq!(look(at("root/none/deep.mp4")), "absent");
        assert_eq!(look("/etc/passwd".into()), "forbidden");
        assert_eq!(told(&Roots::new(&[]).look(&at("root/a.mp4"))), "forbidden");
    }
}
