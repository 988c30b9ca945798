//! Commands of every stage that misbehave in every way: the error names the file and the stage, nothing wrong is
//! cached, and what was finished before is kept.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use pipeline::{
    AnyStage, CommandLine, Describer, Embedder, Ffmpeg, KeyframeParams, KeyframeStage, Plan, Selection, Source,
    Transcriber,
};

use crate::kit::Kit;

/// What a stage is told to run, with the file that it is given for `$1`; the others do what they should.
pub(crate) struct Bench {
    pub(crate) kit: Kit,
    pub(crate) film: Source,
}

/// The stages that run commands.
pub(crate) const KINDS: [&str; 3] = ["transcript", "descriptions", "embeddings"];

impl Bench {
    pub(crate) fn new() -> Self {
        let kit = Kit::new();
        let film = kit.tone("film.mp4", 2);
        Self { kit, film }
    }

    /// A command that is a shell script of its own; an hour is more than any test waits.
    fn command(&self, name: &str, body: &str, arguments: &[&str]) -> CommandLine {
        let program = self.kit.telling(name, body);
        let command = CommandLine::new(program, arguments.iter().copied()).scratch(self.kit.path("scratch"));
        command.limit(Duration::from_hours(1)).max_bytes(1 << 20)
    }

    pub(crate) fn keyframes() -> Arc<KeyframeStage> {
        Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).unwrap())
    }

    pub(crate) fn transcriber(&self, body: &str, change: impl FnOnce(CommandLine) -> CommandLine) -> Arc<Transcriber> {
        Arc::new(Transcriber::new(change(self.command("transcript", body, &["{audio}"]))).unwrap())
    }

    pub(crate) fn good_transcriber(&self) -> Arc<Transcriber> {
        self.transcriber(r#"echo '{"segments": [{"start": 0, "end": 1, "text": "yes"}]}'"#, |command| command)
    }

    pub(crate) fn describer(&self, body: &str, change: impl FnOnce(CommandLine) -> CommandLine) -> Arc<Describer> {
        Arc::new(
            Describer::command(Self::keyframes(), change(self.command("descriptions", body, &["{image}"]))).unwrap(),
        )
    }

    pub(crate) fn embedder(
        &self,
        body: &str,
        change: impl FnOnce(CommandLine) -> CommandLine,
    ) -> Arc<Embedder<Transcriber>> {
        let command = change(self.command("embeddings", body, &["{texts}"]));
        Arc::new(Embedder::command(self.good_transcriber(), command).unwrap())
    }

    /// The stage of `kind` whose command is `body`, and the stages that it needs.
    pub(crate) fn stage(
        &self,
        kind: &str,
        body: &str,
        change: impl FnOnce(CommandLine) -> CommandLine,
    ) -> (Arc<dyn AnyStage>, Vec<Arc<dyn AnyStage>>) {
        match kind {
            "transcript" => (self.transcriber(body, change), Vec::new()),
            "descriptions" => (self.describer(body, change), vec![Self::keyframes()]),
            _ => (self.embedder(body, change), vec![self.good_transcriber()]),
        }
    }

    /// The error of `stage`, which is the only one: what it needs is kept, of itself nothing is.
    pub(crate) async fn error(&self, kind: &str, stage: Arc<dyn AnyStage>, needs: Vec<Arc<dyn AnyStage>>) -> Error {
        let plan = needs.iter().fold(Plan::new(), |plan, need| plan.stage(need.clone())).stage(stage.clone());
        let run = self.kit.cache.run(&self.film, &plan).await.unwrap();
        let errors: Vec<&Error> = run.stages.iter().filter_map(|stage| stage.error.as_ref()).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let missing = self.kit.cache.missing(&self.film, &plan).await.unwrap();
        assert_eq!(missing.len(), 1, "what is needed is kept: {missing:?}");
        assert!(missing[0].kind == kind && missing[0].coverage.is_nothing(), "{missing:?}");
        assert!(self.kit.is_clear().await, "nothing is left of it");
        errors[0].clone()
    }

    /// Asserts that the command `body` is an error of each stage that begins with the file and the stage, and says `why`.
    async fn assert_fails(&self, body: &str, change: fn(CommandLine) -> CommandLine, kind: ErrorKind, why: [&str; 3]) {
        for (name, why) in KINDS.into_iter().zip(why) {
            let (stage, needs) = self.stage(name, body, change);
            let error = self.error(name, stage, needs).await;
            let begins = format!("{}: {name}: {}", self.film, Source::from(self.kit.path(name)));
            assert!(error.message().starts_with(&begins), "{error} should begin {begins}");
            assert!(error.message().contains(why), "{name}: {error} should say {why}");
            assert!(!error.message().contains(char::is_control) && error.message().len() < 6_000, "{error}");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(self.kit.has_ended().await, "{name}: something still runs");
        }
    }
}

fn same(command: CommandLine) -> CommandLine {
    command
}

#[tokio::test]
async fn garbage_is_an_error() {
    let json = "is not the JSON that was expected";
    let vectors = "its answer is no embeddings";
    let bench = Bench::new();
    let why = [json, "is no text in UTF-8", vectors];
    bench.assert_fails("printf '\\377\\376{garbage\\n'", same, ErrorKind::Load, why).await;
}

#[tokio::test]
async fn half_an_answer_is_an_error() {
    let bench = Bench::new();
    // Of text nobody can tell whether it is all: there the end of the program tells.
    let body = r#"printf '{"segments": [{"start": 0, "end": 1, "te'; exit 4"#;
    bench.assert_fails(body, same, ErrorKind::Load, ["failed: exit status: 4"; 3]).await;
    let stage = bench.transcriber(r#"printf '{"segments": [{"start": 0, "end": 1, "te'"#, same);
    let error = bench.error("transcript", stage, Vec::new()).await;
    assert!(error.message().contains("is not the JSON that was expected: EOF while parsing"), "{error}");
    let stage = bench.embedder("printf '[[1, 2'", same);
    let error = bench.error("embeddings", stage, vec![bench.good_transcriber()]).await;
    assert!(error.message().contains("its answer is no embeddings"), "{error}");
}

#[tokio::test]
async fn nothing_is_an_error_where_something_must_be() {
    let bench = Bench::new();
    let stage = bench.transcriber("true", same);
    let error = bench.error("transcript", stage, Vec::new()).await;
    assert!(error.message().contains("is not the JSON that was expected: EOF while parsing"), "{error}");
    let stage = bench.embedder("true", same);
    let error = bench.error("embeddings", stage, vec![bench.good_transcriber()]).await;
    assert!(error.message().contains("its answer is no embeddings"), "{error}");
    let stage = bench.describer("true", same);
    let seen = bench.kit.cache.compute(&bench.film, &stage, &Selection::all()).await.unwrap();
    assert!(seen.value().descriptions.is_empty() && seen.coverage().complete, "a frame may have nothing to tell");
}

#[tokio::test]
async fn endless_output_is_ended() {
    let why = ["printed more than 1048576 bytes"; 3];
    Bench::new().assert_fails("yes & tell $!; wait", same, ErrorKind::Unavailable, why).await;
}

#[tokio::test]
async fn a_command_that_hangs_is_ended() {
    let limit = |command: CommandLine| command.limit(Duration::from_millis(300));
    let why = ["the command did not finish within 0.3 s and was stopped"; 3];
    Bench::new().assert_fails("sleep 1000 & tell $!; wait", limit, ErrorKind::Timeout, why).await;
}

#[tokio::test]
async fn a_command_that_is_killed_says_so() {
    Bench::new().assert_fails("kill -9 $$", same, ErrorKind::Load, ["failed: signal: 9 (SIGKILL)"; 3]).await;
}

#[tokio::test]
async fn of_ten_megabytes_of_complaints_the_end_is_told() {
    let body = "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo 'out of memory' >&2; exit 1";
    Bench::new().assert_fails(body, same, ErrorKind::Load, ["out of memory"; 3]).await;
}

#[tokio::test]
async fn what_outlives_a_command_that_fails_is_ended_with_it() {
    let body = "sleep 1000 >/dev/null 2>&1 & tell $!; sleep 1000 & tell $!; exit 3";
    Bench::new().assert_fails(body, same, ErrorKind::Load, ["failed: exit status: 3"; 3]).await;
}

#[tokio::test]
async fn what_outlives_a_command_that_has_answered_is_ended_and_the_answer_counts() {
    let bench = Bench::new();
    // One that still holds the pipe that is read, one that does not, and one that has left the group with it.
    let body = r#"sleep 1000 & tell $!; sleep 1000 >/dev/null 2>&1 & tell $!; setsid sleep 5 &
        echo '{"segments": [{"start": 0, "end": 1, "text": "yes"}]}'"#;
    let stage = bench.transcriber(body, same);
    let heard = bench.kit.cache.compute(&bench.film, &stage, &Selection::all()).await.unwrap();
    assert_eq!(heard.value().text(), "yes");
    assert!(bench.kit.has_ended().await);
}

#[tokio::test]
async fn a_command_that_changes_the_source_is_found_out() {
    let bench = Bench::new();
    let film = bench.kit.path("film.mp4");
    let answers = [r#"{"segments": []}"#, "a frame", "[[1, 2]]"];
    for (name, answer) in KINDS.into_iter().zip(answers) {
        let before = std::fs::read(&film).unwrap();
        let body = format!("printf x >> '{}'; echo '{answer}'", film.display());
        let (stage, needs) = bench.stage(name, &body, same);
        let plan = needs.iter().fold(Plan::new(), |plan, need| plan.stage(need.clone())).stage(stage);
        let run = bench.kit.cache.run(&bench.film, &plan).await.unwrap();
        let error = run.error().expect("an error");
        let expected = format!("{}: {name}: changed while it was processed: try again when it is complete", bench.film);
        assert_eq!((error.kind(), error.message()), (ErrorKind::Invalid, expected.as_str()));
        std::fs::write(&film, before).unwrap();
        let missing = bench.kit.cache.missing(&bench.film, &plan).await.unwrap();
        assert!(missing.len() == 1 && missing[0].kind == name && missing[0].coverage.is_nothing(), "{missing:?}");
    }
}

#[tokio::test]
async fn a_command_that_is_not_there_names_file_and_stage() {
    let bench = Bench::new();
    let absent = CommandLine::new(bench.kit.path("absent"), ["{audio}"]).scratch(bench.kit.path("scratch"));
    let error = bench.error("transcript", Arc::new(Transcriber::new(absent).unwrap()), Vec::new()).await;
    let absent = Source::from(bench.kit.path("absent"));
    let begins = format!("{}: transcript: {absent}: the command was not found", bench.film);
    assert!(pipeline::is_tool_missing(&error) && error.message().starts_with(&begins), "{error}");
}
