//! The bot.

use super::printed;

#[test]
fn songs_are_resolved_once_and_what_is_popular_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--cache", folder.path().to_str().unwrap()];
    let first = printed(
        "bot",
        &args,
        "play https://songs.example/moon\nplay https://songs.example/moon https://songs.example/gone nonsense://\n\
         cache\nwarmcache 1\ncleancache\nsing\n",
    );
    for said in [
        "playing The moon song (180 s, resolved): https://streams.example/moon.opus",
        "playing The moon song (180 s, cached): https://streams.example/moon.opus",
        "cannot play that",
        "there is no such song",
        "1 hits, 1 resolved",
        "0 refreshed, 1 fresh, 0 failed",
        "0 expired removed",
    ] {
        assert!(first.contains(said), "{said}\n---\n{first}");
    }
    let second = printed("bot", &args, "cache\nplay https://songs.example/moon\ncleancache all\nquit\nplay nothing\n");
    assert!(second.contains("https://songs.example/moon\n"), "what is popular: {second}");
    assert!(second.contains("(180 s, cached)"), "{second}");
    assert!(second.contains("entries cleared") && !second.contains("0 entries cleared"), "{second}");
    assert!(!second.contains("play that"), "nothing is done behind `quit`: {second}");
}
