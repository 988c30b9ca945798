//! Transcripts by commands: good ones, and such that misbehave.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use cache_testkit::eventually;
use pipeline::{ArtifactCache, CommandLine, Selection, Source, Span, Transcriber, Transcript, is_tool_missing};

use crate::kit::{Kit, words};

const SECOND_US: i64 = 1_000_000;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Prints the length of the WAV in its only segment, and logs the run.
const LENGTH: &str = r#"ms=$(( ($(stat -c %s "$1") - 44) / 32 ))
echo $ms >> "$(dirname "$0")/runs"
echo "{\"segments\": [{\"start_ms\": 0, \"end_ms\": $ms, \"text\": \"heard $ms\"}]}""#;

async fn transcribe(cache: &ArtifactCache, film: &Source, stage: &Arc<Transcriber>) -> Result<Arc<Transcript>, Error> {
    cache.compute(film, stage, &Selection::all()).await.map(|made| made.value().clone())
}

async fn failure(kit: &Kit, command: CommandLine) -> Error {
    let film = kit.tone("film.mp4", 2);
    let stage = Arc::new(Transcriber::new(command).unwrap());
    let error = transcribe(&kit.cache, &film, &stage).await.unwrap_err();
    assert!(error.message().contains("film.mp4"), "{error}");
    assert!(kit.is_clear().await);
    let coverage = kit.cache.coverage(&film, &stage, &Selection::all()).await.unwrap();
    assert!(coverage.is_nothing(), "nothing of a failure is cached");
    error
}

#[tokio::test]
async fn every_segment_is_heard_with_what_is_around_it() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 10);
    let command = kit.command(LENGTH, &["{audio}"]);
    let stage = Transcriber::new(command).unwrap().segments(seconds(4), seconds(1)).unwrap();
    let stage = Arc::new(stage);
    for (at, length_ms) in [(1, 5_000), (5, 6_000), (9, 3_000_i64)] {
        let span = Span::new(at * SECOND_US, at * SECOND_US + 1);
        kit.cache.compute(&film, &stage, &Selection::all().span(span)).await.unwrap();
        let heard_ms: i64 = kit.read("runs").lines().next_back().unwrap().parse().unwrap();
        assert!((heard_ms - length_ms).abs() <= 100, "{at}: {heard_ms}");
    }
    assert_eq!(kit.read("runs").lines().count(), 3);
    transcribe(&kit.cache, &film, &stage).await.unwrap();
    assert_eq!(kit.read("runs").lines().count(), 3, "what is there is not computed again");
    assert!(kit.is_clear().await);
}

#[tokio::test]
async fn sound_that_begins_late_keeps_its_times() {
    let kit = Kit::new();
    let late = ["-f", "lavfi", "-i", "testsrc=duration=6:size=64x64:rate=5", "-itsoffset", "4", "-f", "lavfi", "-i"];
    let film = kit.film("late.mkv", &[&late[..], &["sine=duration=2"]].concat());
    let stage = Arc::new(Transcriber::new(kit.command(LENGTH, &["{audio}"])).unwrap());
    let heard = transcribe(&kit.cache, &film, &stage).await.unwrap();
    assert!((heard.segments[0].end_ms - 6_000).abs() <= 100, "{heard:?}");
}

#[tokio::test]
async fn answers_may_be_files_of_three_names() {
    for (argument, name) in [("{out}", "out"), ("{out}", "out.json"), ("{dir}", "input.json")] {
        let kit = Kit::new();
        let film = kit.tone("film.mp4", 2);
        let body = format!(
            r#"echo noise; d="$2"; [ "{argument}" = "{{out}}" ] && d=$(dirname "$2")
            echo '{{"segments": [{{"start": 0, "end": 1, "text": "yes"}}]}}' > "$d/{name}""#
        );
        let stage = Arc::new(Transcriber::new(kit.command(&body, &["{audio}", argument])).unwrap());
        assert_eq!(transcribe(&kit.cache, &film, &stage).await.unwrap().text(), "yes");
    }
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let kit = Kit::new();
    let film = kit.tone("a b'$(touch oops).mp4", 1);
    let body = r#"printf '%s\n' "$#" "$2" "$3" > "$(dirname "$0")/arguments"; echo '{"segments": []}'"#;
    let command = kit.command(body, &["{audio}", "$(touch oops); {language}", "a b"]);
    let stage = Arc::new(Transcriber::new(command).unwrap().language("de"));
    let heard = transcribe(&kit.cache, &film, &stage).await.unwrap();
    assert_eq!(kit.read("arguments"), "3\n$(touch oops); de\na b\n");
    assert_eq!((heard.language.as_deref(), heard.segments.len()), (Some("de"), 0));
}

#[tokio::test]
async fn garbage_is_refused_with_its_place_and_not_cached() {
    for (printed, why) in [
        ("loading model", "is not the JSON that was expected: expected value at line 1 column 1"),
        (
            r#"{"segments": [{"start": 3, "end": 4, "text": "a"}, {"start": 1, "end": 2, "text": "b"}]}"#,
            "segment 1 begins",
        ),
        (r#"{"segments": [{"start": -1, "end": 4, "text": "a"}]}"#, "segment 0 begins at -1 s, before the audio"),
        (r#"{"segments": [{"start": 1, "end": 400, "text": "a"}]}"#, "but the audio ends at 2"),
    ] {
        let kit = Kit::new();
        let error = failure(&kit, kit.command(&format!("echo '{printed}'"), &["{audio}"])).await;
        assert!(error.kind() == ErrorKind::Load && error.message().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_fails_is_quoted() {
    let kit = Kit::new();
    let error = failure(&kit, kit.command("echo 'no such model: tiny' >&2; exit 3", &["{audio}"])).await;
    assert!(error.message().ends_with("command\" failed: exit status: 3: no such model: tiny"), "{error}");
    let kit = Kit::new();
    let error = failure(&kit, kit.command("true", &["{audio}", "{out}"])).await;
    assert!(error.message().contains("has written no answer to {out}"), "{error}");
    let kit = Kit::new();
    let absent = CommandLine::new(kit.path("absent"), ["{audio}"]).scratch(kit.path("scratch"));
    let stage = Arc::new(Transcriber::new(absent).unwrap());
    let error = transcribe(&kit.cache, &kit.tone("film.mp4", 1), &stage).await.unwrap_err();
    assert!(is_tool_missing(&error) && error.message().contains("absent"), "{error}");
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_all_that_it_has_started() {
    let kit = Kit::new();
    let body = r#"sleep 1000 & echo $! > "$(dirname "$0")/child"; sleep 1000"#;
    let error = failure(&kit, kit.command(body, &["{audio}"]).limit(Duration::from_millis(500))).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(eventually(seconds(60), || is_gone(&kit)).await);
}

/// Whether the process whose number is in the file `child` has ended.
fn is_gone(kit: &Kit) -> impl Future<Output = bool> + use<> {
    let child = kit.read("child");
    let state = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    std::future::ready(!child.is_empty() && (state.is_empty() || state.contains(") Z ")))
}

#[tokio::test]
async fn a_program_whose_answer_nobody_waits_for_is_ended() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 2);
    let command = kit.command(r#"echo $$ > "$(dirname "$0")/child"; sleep 1000"#, &["{audio}"]);
    let stage = Arc::new(Transcriber::new(command).unwrap());
    let cache = kit.cache.clone();
    let task = tokio::spawn(async move { transcribe(&cache, &film, &stage).await });
    assert!(eventually(seconds(60), || std::future::ready(kit.read("child").ends_with('\n'))).await);
    task.abort();
    assert!(eventually(seconds(60), || is_gone(&kit)).await);
    assert!(kit.is_clear().await);
}

#[tokio::test]
async fn a_transcript_made_elsewhere_is_taken() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 10);
    let stage = Transcriber::new(kit.command("exit 1", &["{audio}"])).unwrap();
    let stage = Arc::new(stage.segments(seconds(3), seconds(1)).unwrap());
    let json = r#"{"segments": [{"start_ms": 500, "end_ms": 4500, "text": "one two"}, {"start_ms": 5900, "end_ms": 6100,
        "text": "three"}, {"start_ms": 6200, "end_ms": 9000, "text": "three four"}]}"#;
    let known: Transcript = serde_json::from_str(json).unwrap();
    kit.cache.set(&film, &stage, &known).await.unwrap();
    let found = transcribe(&kit.cache, &film, &stage).await.unwrap();
    assert_eq!(found.segments, known.segments);
}

/// Hears a sentence in each second of the film, whichever part of it is listened to: a tenth of a second later where
/// that is a long part, as two recognitions tell times a little apart.
fn every_second(kit: &Kit) -> Arc<Transcriber> {
    let body = r#"n=$(( ($(stat -c %s "$1") - 44) / 32000 )); i=0; late=$((n > 5 ? 100 : 0)); printf '{"segments": ['
        while [ $i -lt $n ]; do
            [ $i -gt 0 ] && printf ,
            at=$((i * 1000 + late)); said='"text": "said"'
            printf '{"start_ms": %d, "end_ms": %d, %s}' $((at > 450 ? at - 450 : 0)) $((at + 350)) "$said"; i=$((i+1))
        done; echo ']}'"#;
    let stage = Transcriber::new(kit.command(body, &["{audio}"])).unwrap();
    Arc::new(stage.segments(seconds(4), seconds(1)).unwrap())
}

#[tokio::test]
async fn so_many_sentences_as_are_asked_for_are_given_though_segments_overlap() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 40);
    let stage = every_second(&kit);
    for most in [1, 4, 5, 17, 39] {
        let few = kit.cache.compute(&film, &stage, &Selection::all().most(most)).await.unwrap();
        assert_eq!(few.value().segments.len() as u64, most);
        let found = kit.cache.get(&film, &stage, &Selection::all().most(most)).await.unwrap().unwrap();
        assert_eq!(found.value().segments.len() as u64, most);
    }
    let run = kit.cache.run(&film, &pipeline::Plan::new().stage(stage)).await.unwrap();
    let told = run.artifacts.get::<Transcript>().unwrap().unwrap().value().segments.len() as u64;
    assert_eq!(run.stages[0].things, told, "what is told of it is what is there");
}

#[tokio::test]
async fn stretches_next_to_each_other_have_every_word_once() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 40);
    let stage = every_second(&kit);
    let whole = transcribe(&kit.cache, &film, &stage).await.unwrap();
    let mut parts = Vec::new();
    for at in (0..40).step_by(4) {
        let span = Span::new(at * SECOND_US, (at + 4) * SECOND_US);
        let part = kit.cache.get(&film, &stage, &Selection::all().span(span)).await.unwrap().unwrap();
        parts.extend(part.value().segments.iter().map(|said| said.start_ms));
    }
    assert_eq!(parts, whole.segments.iter().map(|said| said.start_ms).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_program_that_prints_too_much_is_ended() {
    let kit = Kit::new();
    let error = failure(&kit, kit.command("yes", &["{audio}"]).max_bytes(1 << 20)).await;
    assert!(error.message().contains("printed more than 1048576 bytes"), "{error}");
    let kit = Kit::new();
    let command = kit.command("head -c 2000000 /dev/zero > \"$2\"", &["{audio}", "{out}"]).max_bytes(1 << 20);
    let error = failure(&kit, command).await;
    assert!(error.kind() == ErrorKind::TooLarge && error.message().contains("longer than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_film_without_sound_can_never_be_heard() {
    let kit = Kit::new();
    let film = kit.film("silent.mp4", &["-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5"]);
    let stage = Arc::new(Transcriber::new(kit.command(LENGTH, &["{audio}"])).unwrap());
    let error = transcribe(&kit.cache, &film, &stage).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.message().contains("has no audio stream"), "{error}");
}

#[tokio::test]
async fn sound_that_ends_early_is_followed_by_silence() {
    let kit = Kit::new();
    let short = ["-f", "lavfi", "-i", "testsrc=duration=9:size=64x64:rate=5", "-f", "lavfi", "-i", "sine=duration=1.5"];
    let film = kit.film("short.mp4", &short);
    let stage = Transcriber::new(kit.command(LENGTH, &["{audio}"])).unwrap().segments(seconds(3), seconds(1)).unwrap();
    let heard = transcribe(&kit.cache, &film, &Arc::new(stage)).await.unwrap();
    assert_eq!(words(&heard).first().map(String::as_str), Some("heard"));
    assert_eq!(kit.read("runs").lines().count(), 1, "silence is not transcribed");
}

#[tokio::test]
async fn everything_that_decides_is_identity() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 2);
    let command = || kit.command(LENGTH, &["{audio}"]).version("1");
    let stage = |command: CommandLine| Transcriber::new(command).unwrap();
    let mut keys = Vec::new();
    for stage in [
        stage(command()),
        stage(command().version("2")),
        stage(CommandLine::new(kit.path("command"), ["{audio}", "-x"]).version("1")),
        stage(command()).language("en"),
        stage(command()).segments(seconds(300), seconds(5)).unwrap(),
        stage(command()).segments(seconds(200), seconds(4)).unwrap(),
    ] {
        let shown = kit.cache.identity(&film, Arc::new(stage)).await.unwrap().chain().to_string();
        assert!(!keys.contains(&shown), "{shown}");
        keys.push(shown);
    }
    let same = stage(command().limit(seconds(7)).max_bytes(9)).segments(seconds(300), seconds(4)).unwrap();
    let shown = kit.cache.identity(&film, Arc::new(same)).await.unwrap().chain().to_string();
    assert_eq!(shown, keys[0], "limits and defaults are not");
}

#[tokio::test]
async fn the_content_of_scripts_and_of_files_in_arguments_is_identity() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 1);
    let model = kit.path("model.bin");
    std::fs::write(&model, "one").unwrap();
    let option = format!("--model={}", model.display());
    let identity = async |body: &str, argument: &str| {
        let program = kit.script("command", body);
        let command = CommandLine::new(program, ["{audio}", argument]).scratch(kit.path("scratch"));
        let stage: Arc<dyn pipeline::AnyStage> = Arc::new(Transcriber::new(command).unwrap());
        kit.cache.identity(&film, stage).await.unwrap()
    };
    let plain = identity("exit 1", &option).await;
    assert_eq!(plain, identity("exit 1", &option).await);
    let edited = identity("exit 2", &option).await;
    assert_ne!(plain, edited, "another script under the same name");
    let difference = &edited.chain().differences(plain.chain())[0];
    assert_eq!(difference.component, "program file 0 command");
    std::fs::write(&model, "two").unwrap();
    let other = identity("exit 1", &option).await;
    assert_ne!(plain, other, "another model at the same place");
    assert!(other.chain().differences(plain.chain())[0].component.ends_with("model.bin"), "{:?}", other.chain());
    let named = identity("exit 1", model.to_str().unwrap()).await;
    std::fs::write(&model, "one").unwrap();
    assert_ne!(named, identity("exit 1", model.to_str().unwrap()).await);
    assert_eq!(plain, identity("exit 1", &option).await, "the same again");
}

#[tokio::test]
async fn versions_are_asked_for_and_arguments_not_shown() {
    let kit = Kit::new();
    let program = kit.script("versioned", "[ \"$1\" = --version ] && echo whisper 1.8.2");
    let command = CommandLine::new(&program, ["--token", "s3cret", "{audio}"]);
    let shown = format!("{:?}", command.clone().version_of(&program, ["--version"]).await.unwrap());
    assert!(shown.contains("whisper 1.8.2") && !shown.contains("s3cret"), "{shown}");
    let error = command.version_of(&program, ["-V"]).await.unwrap_err();
    assert!(error.message().contains("does not tell its version: exit status: 1"), "{error}");
    let error = Transcriber::new(CommandLine::new("x", ["{sound}"])).unwrap_err();
    assert_eq!(error.message(), "an argument names {sound}: there are {audio}, {language}, {out}, {dir}");
}
