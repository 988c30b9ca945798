//! What an artifact is filed under, and why it is not found.

use pipeline::{Fingerprinting, KeyframeParams, Pass, Remote, Selection, Source, Verdict};

use super::fake::{Alpha, Beta, Fake, Log};
use super::support::{Home, stage};

#[tokio::test]
async fn the_component_that_differs_from_the_nearest_is_named() {
    let home = Home::new();
    let (cache, clip) = (home.cache(), Source::from(home.clip("clip.mp4", 2)));
    let all = Selection::all();
    let fine = stage(KeyframeParams::default(), &home.ffmpeg);
    let told = cache.explain(&clip, fine.clone(), &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::NeverStored), "{told}");
    cache.compute(&clip, &fine, &all).await.unwrap();
    let told = cache.explain(&clip, fine.clone(), &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::Hit), "{told}");
    assert!(told.identity.chain().programs["ffmpeg"].starts_with("ffmpeg version "), "{told}");

    let coarse = stage(KeyframeParams { quality: 9, ..KeyframeParams::default() }, &home.ffmpeg);
    let told = cache.explain(&clip, coarse.clone(), &all).await.unwrap();
    let Verdict::Differs(differences) = &told.verdict else { panic!("{told}") };
    assert_eq!(differences.len(), 1);
    assert!(told.to_string().contains("param quality: wanted 9, cached the default"), "{told}");

    let mut other = home.ffmpeg.clone();
    other.ffmpeg = home.path("other");
    let told = cache.explain(&clip, stage(KeyframeParams::default(), &other), &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::Hit), "a program that is not there has no version: {told}");
    cache.invalidate_stage(&clip, fine.clone()).await.unwrap();
    let told = cache.explain(&clip, fine, &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::Gone), "{told}");
}

#[tokio::test]
async fn a_source_that_has_changed_is_told_from_one_that_was_never_seen() {
    let home = Home::new();
    let (cache, all) = (home.cache(), Selection::all());
    let path = home.clip("clip.mp4", 2);
    let clip = Source::from(&path);
    let fine = stage(KeyframeParams::default(), &home.ffmpeg);
    cache.compute(&clip, &fine, &all).await.unwrap();
    let before = cache.fingerprints().fingerprint(&clip).await.unwrap().fingerprint;
    std::fs::rename(home.clip("other.mp4", 3), &path).unwrap();

    // In a new process, too.
    let cache = home.cache();
    let told = cache.explain(&clip, fine.clone(), &all).await.unwrap();
    let Verdict::SourceChanged { before: was, differences } = &told.verdict else { panic!("{told}") };
    assert!(*was == before && differences.is_empty(), "{told}");
    assert!(told.to_string().contains(&format!("of another content, {before}")), "{told}");
    let coarse = stage(KeyframeParams { quality: 9, ..KeyframeParams::default() }, &home.ffmpeg);
    let told = cache.explain(&clip, coarse, &all).await.unwrap();
    assert!(told.to_string().contains("param quality: wanted 9, cached the default"), "{told}");
    let told = cache.explain(&clip, Fake::<Alpha>::new(&Log::default()).done(), &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::NeverStored), "{told}");
    let told = cache.explain(&Source::from(home.clip("new.mp4", 1)), fine.clone(), &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::NeverStored), "{told}");

    // However often it changes: the last four contents are remembered.
    for seconds in [1, 2, 3, 4, 5, 6] {
        std::fs::rename(home.clip("other.mp4", seconds), &path).unwrap();
        cache.compute(&clip, &fine, &all).await.unwrap();
    }
    std::fs::rename(home.clip("other.mp4", 7), &path).unwrap();
    let told = cache.explain(&clip, fine, &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::SourceChanged { .. }), "{told}");
}

#[tokio::test]
async fn what_has_failed_was_never_stored() {
    let home = Home::new();
    let (cache, clip, log, all) =
        (home.cache(), Source::from(home.clip("clip.mp4", 2)), Log::default(), Selection::all());
    let alpha = |model: &str| Fake::<Alpha>::new(&log).recipe(|recipe| recipe.model("m", model).pass(Pass::Run));
    let fails = alpha("one").fails(0).done();
    assert!(cache.compute(&clip, &fails, &all).await.is_err());
    for wanted in [fails, alpha("two").done()] {
        let told = cache.explain(&clip, wanted, &all).await.unwrap();
        assert!(matches!(told.verdict, Verdict::NeverStored), "{told}");
    }
    let half = alpha("half").fails(1).done();
    assert!(cache.compute(&clip, &half, &all).await.is_err());
    let told = cache.explain(&clip, half.clone(), &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::Partial), "{told}");
    cache.invalidate_stage(&clip, half.clone()).await.unwrap();
    let told = cache.explain(&clip, half, &all).await.unwrap();
    assert!(matches!(told.verdict, Verdict::Gone), "{told}");
}

#[tokio::test]
async fn another_model_of_an_input_is_another_artifact() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), Source::from(home.clip("clip.mp4", 1)), Log::default());
    let alpha = |version: &str| Fake::<Alpha>::new(&log).recipe(|recipe| recipe.model("whisper", version)).done();
    let beta = |version: &str| Fake::<Beta>::new(&log).input(&alpha(version)).done();
    cache.compute(&clip, &beta("tiny"), &Selection::all()).await.unwrap();
    let told = cache.explain(&clip, beta("base"), &Selection::all()).await.unwrap();
    let Verdict::Differs(differences) = &told.verdict else { panic!("{told}") };
    assert_eq!(differences[0].component, "input 0 alpha");
    let told = cache.explain(&clip, alpha("base"), &Selection::all()).await.unwrap();
    assert!(told.to_string().contains("model whisper: wanted base, cached tiny"), "{told}");
}

#[tokio::test]
async fn how_a_fingerprint_is_taken_is_part_of_it() {
    let home = Home::new();
    let clip = Source::from(home.clip("clip.mp4", 2));
    let mut prints = Vec::new();
    for how in [Fingerprinting::Content, Fingerprinting::Sampled, Fingerprinting::Stat] {
        let cache = home.cache_of(how);
        let print = cache.fingerprints().fingerprint(&clip).await.unwrap().fingerprint;
        assert_eq!(print, cache.fingerprints().fingerprint(&clip).await.unwrap().fingerprint);
        assert_eq!(print.to_string().parse::<pipeline::Fingerprint>().unwrap(), print);
        prints.push(print.to_string());
    }
    assert!(prints[1].starts_with("sampled-") && prints[2].starts_with("stat-"), "{prints:?}");
}

#[tokio::test]
async fn a_remote_source_is_what_its_server_says() {
    let home = Home::new();
    let cache = home.cache();
    let print = async |remote: Remote| {
        let found = cache.fingerprints().fingerprint(&Source::from(remote)).await;
        found.map(|found| found.fingerprint.to_string())
    };
    let film = || Remote::new("https://example.org/film.mp4?secret=1");
    let tagged = print(film().etag("\"a\"")).await.unwrap();
    assert!(tagged.starts_with("remote-"));
    assert_eq!(tagged, print(film().etag("\"a\"")).await.unwrap());
    assert_ne!(tagged, print(film().etag("\"b\"")).await.unwrap());
    assert_ne!(tagged, print(film().etag("\"a\"").len(7)).await.unwrap());
    assert!(print(film().len(7).modified("Mon")).await.is_ok());
    for vague in [film(), film().len(7), film().etag("W/\"a\"")] {
        let error = print(vague).await.unwrap_err().to_string();
        assert!(error.contains("neither a strong ETag") && !error.contains("secret"), "{error}");
    }
    assert!(print(Remote::new("file:///etc/passwd").etag("\"a\"")).await.is_err());
}
