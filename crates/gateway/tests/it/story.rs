//! One evening: a search, its links, a film with seeks in a browser while it is fetched, a restart, the film again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::origin::Origin;
use super::players::{LIMIT, RATE, SEGMENT, Seeker, film};
use super::site::{Page, Site};
use super::support::{Home, Server};
use super::web::{archive, escaped, get, serving};

/// A site whose only film comes from `origin`.
fn archive_of(origin: &Origin) -> Site {
    let site = Site::new();
    let found = json!({"response": {"numFound": 1, "docs": [{"identifier": "moon", "title": "Moon"}]}});
    site.says("/advancedsearch.php", Page::json(&found));
    let film = json!({"name": "moon.mp4", "format": "MPEG4", "length": "60"});
    site.says(
        "/metadata/moon",
        Page::json(&json!({"files": [film], "metadata": {"identifier": "moon", "title": "Moon"}})),
    );
    site.says("/download/moon/moon.mp4", Page::status(302).header("Location", &origin.url("/moon.mp4")));
    site
}

/// How often each tier answered a read, and how often with what is there.
fn answered(server: &Server) -> Vec<(u64, u64)> {
    let tiers = server.figures()["tiers"].as_array().expect("tiers").clone();
    let counts = |tier: &Value| -> BTreeMap<String, u64> {
        serde_json::from_value(tier["outcomes"].clone()).expect("counts by outcome")
    };
    let counts: Vec<_> = tiers.iter().map(counts).collect();
    assert!(counts.iter().all(|tier| tier["corrupt"] == 0), "{counts:?}");
    counts.iter().map(|tier| (tier.values().sum(), tier["hit"])).collect()
}

/// Plays all of the film: every read that memory did not answer was answered by the disk, with what is there.
fn assert_figures_add_up(server: &Server, target: &str, len: usize) {
    // A browser that has left may leave reads half done: they are over soon.
    for _ in 0..10 {
        let before = answered(server);
        assert_eq!(get(server, target).body.len(), len);
        let after = answered(server);
        let by = |tier: usize| (after[tier].0 - before[tier].0, after[tier].1 - before[tier].1);
        let ((asked, near), (passed_on, found)) = (by(0), by(1));
        if asked - near == passed_on && passed_on == found && found as usize >= len / SEGMENT {
            return;
        }
    }
    panic!("{:?} do not add up", server.figures()["tiers"]);
}

fn links(server: &Server, page: &str) -> Value {
    let answer = get(server, &format!("/get-videos?url={}&provider=films", escaped(page)));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn found_linked_played_while_it_is_fetched_and_after_a_restart_from_the_disk() {
    let home = Home::new();
    let bytes = std::fs::read(film(&home, "+faststart")).expect("a film");
    let len = bytes.len();
    let origin = Origin::of(bytes).throttled(RATE);
    let site = archive_of(&origin);
    let tables = archive("films", &site);

    let server = serving(&home, &tables, &[]);
    let found = get(&server, "/search?query=moon").json();
    assert_eq!((&found["results"][0]["title"], found["results"].as_array().map(Vec::len)), (&json!("Moon"), Some(1)));
    let page = found["results"][0]["url"].as_str().expect("a page").to_owned();
    let first = links(&server, &page);
    assert_eq!(first["cache"]["hit"], false);
    let link = first["results"][0]["url"].as_str().expect("a link").to_owned();
    let play = |server: &Server| format!("http://{}/play?url={}", server.address, escaped(&link));

    let seeker = Seeker::open(&home, "first", &play(&server));
    // The far end is shown before all that lies before it has come.
    assert_eq!(seeker.next(LIMIT), "50:blue");
    assert!(origin.sent() < len, "{} of {len} bytes were fetched", origin.sent());
    assert_eq!([seeker.next(LIMIT), seeker.next(LIMIT)], ["10:red", "30:green"]);
    drop(seeker);
    let target = format!("/play?url={}", escaped(&link));
    assert_figures_add_up(&server, &target, len);
    let kept = server.figures()["tiers"][1]["usage"].clone();
    assert!(kept["bytes"].as_u64().expect("bytes") >= len as u64, "{kept}");
    assert_eq!(server.stop("-TERM").0, Some(0));

    let (asked, sent) = (site.heads().len(), origin.sent());
    let server = serving(&home, &tables, &[]);
    let again = links(&server, &page);
    assert_eq!((&again["cache"]["hit"], &again["results"]), (&json!(true), &first["results"]));
    let seeker = Seeker::open(&home, "second", &play(&server));
    assert_eq!([seeker.next(LIMIT), seeker.next(LIMIT), seeker.next(LIMIT)], ["50:blue", "10:red", "30:green"]);
    drop(seeker);
    assert_figures_add_up(&server, &target, len);
    assert_eq!((site.heads().len(), origin.sent()), (asked, sent), "nobody is asked");
    // With one more, in which the end of the first server kept what is popular.
    let entries = server.figures()["tiers"][1]["usage"]["entries"].as_u64();
    assert_eq!(entries, kept["entries"].as_u64().map(|entries| entries + 1));
}
