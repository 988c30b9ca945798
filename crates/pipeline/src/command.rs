//! `CommandLine`: a program of the user's that does the work of a stage.

mod template;

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result, Retry};

use crate::scratch::Scratch;
use crate::source::shown;
use crate::stage::File;
use crate::tool::{Finished, Tool};
use crate::{Digest, Recipe, blocking};
use template::Template;

/// A program of the user's that does the work of a stage, with its arguments and limits.
///
/// It is started with a list of arguments, never by a shell. In them, names in braces stand for what differs from run to
/// run: each stage says which there are. An argument stays one, whatever is put into it.
///
/// * `{dir}` is a directory of its own, which is removed afterwards, and `{out}` the path of a file in it. With
///   either of them in its arguments, the answer is the file at `{out}`, the same with `.json` appended, or
///   `{dir}/input.json`; otherwise it is what the program prints.
/// * A run that takes longer, or answers more, than it may is ended, with everything that the program has started; so is
///   one whose result nobody waits for any more.
/// * A program that fails is an error with the end of what it wrote to standard error.
///
/// The program's name, its arguments and its [`version`](Self::version) are part of the identity of what is computed. So
/// is the content of a program that is a script, and of each regular file that an argument, or what is behind its first
/// `=`, is the path of: another script or model is another result. Do not name files there that change with every run.
///
/// Its `Debug` does not show the arguments, which may hold a secret.
///
/// ```
/// # use pipeline::CommandLine;
/// # use std::time::Duration;
/// let whisper = CommandLine::new("whisper-cli", ["-m", "tiny.en.bin", "-l", "{language}", "-oj", "-of", "{out}", "{audio}"])
///     .version("1.8.2, tiny.en")
///     .limit(Duration::from_mins(20));
/// ```
#[derive(Clone)]
#[must_use]
pub struct CommandLine {
    program: PathBuf,
    arguments: Vec<Template>,
    version: Option<String>,
    limit: Duration,
    max_bytes: usize,
    scratch: PathBuf,
}

/// How long it may take and how much it may answer, unless told otherwise.
const LIMIT: Duration = Duration::from_mins(30);
const MAX_BYTES: usize = 64 << 20;
/// The longest version, in bytes, and the longest time to tell it.
const MAX_VERSION: usize = 1 << 10;
const VERSION_LIMIT: Duration = Duration::from_mins(1);

/// What is put in the place of names.
pub(crate) type Values<'a> = &'a [(&'a str, &'a OsStr)];

impl CommandLine {
    /// `program`, searched for in `PATH` when it is a name alone, with `arguments`.
    pub fn new<A: Into<String>>(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(|argument| Template::new(argument.into())).collect(),
            version: None,
            limit: LIMIT,
            max_bytes: MAX_BYTES,
            scratch: std::env::temp_dir(),
        }
    }

    /// The version of the program and of the model that it uses: what changes when the same input would give something
    /// else.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Takes for the version what `program` prints with `arguments`, to standard output or else to standard error, such as
    /// `whisper-cli --version`.
    ///
    /// # Errors
    /// When it cannot be started, fails, takes more than a minute, or prints nothing or more than a KiB.
    pub async fn version_of<A: Into<String>>(
        self,
        program: impl AsRef<Path>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        let program = program.as_ref();
        let tool = Tool { program, name: NAME, install: INSTALL, limit: VERSION_LIMIT, max_stdout: MAX_VERSION };
        let arguments = arguments.into_iter().map(|argument| argument.into().into()).collect();
        let finished = tool.run(arguments).await?;
        let printed = String::from_utf8_lossy(&finished.stdout).trim().to_owned();
        let version = if printed.is_empty() { finished.complaint.clone() } else { printed };
        if !finished.status.success() || version.is_empty() || version.len() > MAX_VERSION {
            let message = format!("{} does not tell its version: {}", shown(program), why(&finished));
            return Err(Error::new(ErrorKind::Unavailable, message).with_retry(Retry::Never));
        }
        Ok(self.version(version))
    }

    /// The longest run; half an hour unless set.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The longest answer, in bytes; 64 MiB unless set.
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Where temporary files go; the system's temporary directory unless set.
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = folder.into();
        self
    }

    /// Refuses names in braces that nothing is put in the place of, beside those of every command.
    pub(crate) fn check(&self, names: &[&str]) -> Result<()> {
        let has = |name: &&str| names.contains(name) || ANSWERS.contains(name);
        let mut all = self.arguments.iter().flat_map(Template::names);
        let Some(stranger) = all.find(|name| !has(name)) else { return Ok(()) };
        let there: Vec<String> = names.iter().chain(&ANSWERS).map(|name| format!("{{{name}}}")).collect();
        let message = format!("an argument names {{{stranger}}}: there are {}", there.join(", "));
        Err(Error::new(ErrorKind::Invalid, message).with_operation("read a command line"))
    }

    /// `recipe` with what of this decides the result.
    pub(crate) fn described(&self, recipe: Recipe) -> Recipe {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let arguments: Vec<&str> = self.arguments.iter().map(Template::as_str).collect();
        // Not the arguments themselves: they may hold a secret.
        let arguments = serde_json::to_vec(&arguments).map(|list| Digest::of(&list).to_string()).unwrap_or_default();
        let recipe = recipe.param("arguments", arguments, "").model(program, self.version.clone().unwrap_or_default());
        let recipe = recipe.file(File { path: self.program.clone(), is_program: true });
        let files = self.arguments.iter().flat_map(Template::paths);
        files.fold(recipe, |recipe, path| recipe.file(File { path: path.into(), is_program: false }))
    }

    /// An empty directory for one run.
    pub(crate) async fn folder(&self) -> Result<Scratch> {
        let parent = self.scratch.clone();
        blocking::run(move || Scratch::create(&parent)).await
    }

    /// What it answers, with `values` in the place of their names. It may write into `folder`, where its input is called
    /// `input`, if it is a file.
    ///
    /// # Errors
    /// [`ErrorKind::Load`] when it fails; otherwise when it cannot be started, takes too long or answers too much.
    pub(crate) async fn run(&self, values: Values<'_>, folder: &Scratch) -> Result<Vec<u8>> {
        let out = folder.path().join("out");
        let answers = [("out", out.as_os_str()), ("dir", folder.path().as_os_str())];
        let values: Vec<_> = values.iter().copied().chain(answers).collect();
        let tool = Tool {
            program: &self.program,
            name: NAME,
            install: INSTALL,
            limit: self.limit,
            max_stdout: self.max_bytes,
        };
        let arguments = self.arguments.iter().map(|argument| argument.filled(&values)).collect();
        let finished = tool.run(arguments).await.map_err(|error| self.about(&error))?;
        if !finished.status.success() {
            return Err(self.failed(&format!("failed: {}", why(&finished))));
        }
        if !self.arguments.iter().flat_map(Template::names).any(|name| ANSWERS.contains(&name)) {
            return Ok(finished.stdout);
        }
        let (folder, max) = (folder.path().to_owned(), self.max_bytes);
        let found = blocking::run(move || answer(&folder, max)).await.map_err(|error| self.about(&error))?;
        found.ok_or_else(|| self.failed(&format!("has written no answer to {{out}}: {}", why(&finished))))
    }

    /// An error of `kind` that names the program.
    pub(crate) fn failed(&self, what: &str) -> Error {
        Error::new(ErrorKind::Load, format!("{} {what}", shown(&self.program)))
    }

    /// `error` with the name of the program.
    pub(crate) fn about(&self, error: &Error) -> Error {
        Error::new(error.kind(), format!("{}: {}", shown(&self.program), error.message()))
            .with_retry(error.retry())
            .with_source(error.clone())
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLine")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("version", &self.version)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// How the program is called in messages about the run, which name it before.
const NAME: &str = "the command";
const INSTALL: &str = "install it or give its path";
/// Names that every command has.
const ANSWERS: [&str; 2] = ["out", "dir"];
/// Where an answer may be, in this order.
const FILES: [&str; 3] = ["out", "out.json", "input.json"];

/// The answer in `folder`; `None` when there is none.
fn answer(folder: &Path, max: usize) -> Result<Option<Vec<u8>>> {
    let is_file = |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let Some(path) = FILES.iter().map(|name| folder.join(name)).find(is_file) else { return Ok(None) };
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| Error::new(ErrorKind::Unavailable, format!("its answer cannot be read: {error}")))?;
    if bytes.len() > max {
        return Err(Error::new(ErrorKind::TooLarge, format!("its answer is longer than {max} bytes")));
    }
    Ok(Some(bytes))
}

fn why(finished: &Finished) -> String {
    let Finished { status, complaint, .. } = finished;
    if complaint.is_empty() { status.to_string() } else { format!("{status}: {complaint}") }
}
