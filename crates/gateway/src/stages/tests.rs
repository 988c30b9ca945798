//! What settings make of stages.

use super::*;
use crate::config::Value;

fn words(text: &str) -> Words {
    Words::of_text(text).unwrap()
}

fn all() -> Pipeline {
    Pipeline {
        transcriber: Some(words("hear {audio}")),
        describer: Some(words("see {image}")),
        embedder: Some(words("embed {texts}")),
        ..Pipeline::default()
    }
}

#[test]
fn what_is_seen_and_what_is_said_are_plans_of_their_own() {
    let stages = Stages::of(&all()).unwrap();
    let plans = |kinds: &str| stages.plans(&kinds.parse().unwrap()).unwrap().len();
    assert_eq!((plans("keyframes"), plans("keyframes,descriptions"), plans("transcript,embeddings")), (1, 1, 1));
    assert_eq!(plans("keyframes,transcript,descriptions,embeddings"), 2);
    let seen = Stages::of(&Pipeline { embed: Some(ArtifactKind::Descriptions), ..all() }).unwrap();
    assert_eq!(seen.plans(&"keyframes,embeddings".parse().unwrap()).unwrap().len(), 1);
}

#[test]
fn what_nothing_makes_is_an_error_that_says_where_to_look() {
    let stages = Stages::of(&Pipeline::default()).unwrap();
    let error = stages.plans(&"transcript".parse().unwrap()).unwrap_err();
    assert!(error.message().contains("transcript") && error.message().contains("docs/configuration.md"), "{error}");
}

#[test]
fn wrong_commands_and_addresses_are_told_with_their_setting() {
    let url = |text: &str| Some(Value::of_text(text).unwrap());
    let model = || Some("m".to_owned());
    let cases = [
        (Pipeline { transcriber: Some(words("hear {image}")), ..Pipeline::default() }, "pipeline.transcriber is wrong"),
        (Pipeline { describer: Some(words("see {audio}")), ..Pipeline::default() }, "pipeline.describer is wrong"),
        (Pipeline { embedder: Some(words("embed {audio}")), ..all() }, "pipeline.embedder is wrong"),
        (
            Pipeline { describer_url: url("ftp://a"), describer_model: model(), ..Pipeline::default() },
            "pipeline.describer_url is wrong",
        ),
    ];
    for (settings, told) in cases {
        let error = Stages::of(&settings).unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.message().contains(told), "{error}");
    }
}
