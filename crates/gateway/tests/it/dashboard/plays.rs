//! Search results and sources are played within the page.

use serde_json::json;

use super::super::admin_jobs::Events;
use super::super::browser::{Browser, ENTER, ESCAPE};
use super::super::origin::Origin;
use super::super::players::{RATE, film as film_of};
use super::super::site::{Page, Site};
use super::super::support::{Home, Server};
use super::super::tickets::{ADMIN, for_others};
use super::super::titles::addon_with;
use super::super::torrents::{MIB, Seeder, film};
use super::super::web::{addon, archive, escaped, get, post, serving};

#[test]
fn test_source_selection_tells_the_decision_plays_seeks_and_shows_the_cache_fill() {
    let home = Home::new();
    let film = std::fs::read(film_of(&home, "+faststart")).expect("a clip");
    let origin = Origin::of(film).throttled(RATE);
    let server = Server::start_reaching_anywhere(&home);
    let browser = Browser::at(&server);
    browser.open("/test-source-selection");
    browser.until("document.querySelectorAll('#examples input').length > 3");
    browser.click("#examples label:nth-of-type(2) input");
    assert!(
        browser.run("return document.querySelector('[name=address]').value").as_str().unwrap().starts_with("magnet:")
    );
    browser.enter("[name=address]", &origin.url("/film.mp4"));
    browser.click("[name=play]");
    browser.until("document.querySelector('#decision').textContent.includes('Proxy')");
    browser.until("document.querySelector('video').readyState >= 2");
    browser.until("document.querySelectorAll('#films .map .fill0').length > 0");
    browser.run("document.querySelector('video').currentTime = 50");
    browser.until("!document.querySelector('video').seeking && document.querySelector('video').currentTime >= 50");
    assert_eq!(browser.complaints(&[]), [""; 0]);
}

#[test]
fn titles_of_strangers_are_text_and_their_links_are_listed() {
    let (home, site) = (Home::new(), Site::new());
    let hostile = "<img src=x onerror=\"window.hacked=1\">\u{202e}txt.exe<script>window.hacked=1</script>";
    let long = "long ".repeat(2_000);
    site.says(
        "/advancedsearch.php",
        Page::json(&json!({ "response": { "numFound": 2, "start": 0, "docs": [
            { "identifier": "one", "title": hostile, "mediatype": "movies" },
            { "identifier": "two", "title": long, "mediatype": "movies" },
        ]}})),
    );
    let server = serving(&home, &archive("archive", &site), &[]);
    let browser = Browser::at(&server);
    browser.open("/");
    browser.until("document.querySelectorAll('#search option').length === 2");
    browser.enter("#search [name=query]", "a film");
    browser.click("#search button");
    browser.until("document.querySelectorAll('#results > li').length === 2");
    assert_eq!(browser.text("#results > li bdi"), hostile);
    assert_eq!(browser.text("#results > li:nth-child(2) bdi").trim(), long.trim());
    let wide = browser.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth");
    assert_eq!(wide, json!(false), "a long title makes the page wider");
    assert_eq!(
        browser.run("return document.querySelector('#results img, #results script') ?? window.hacked ?? null"),
        json!(null)
    );
    browser.click("#results button");
    browser.until("document.querySelector('#results .bad') !== null");
    assert_eq!(browser.complaints(&["Failed to load resource"]), [""; 0]);
}

#[test]
fn test_source_selection_tells_of_redirects_and_torrents_and_asks_for_figures_where_none_are_told() {
    let (home, film) = (Home::new(), film(MIB));
    let seeder = Seeder::start(&film, None);
    let direct = "https://films.example/a.mp4";
    let site = addon_with(&json!([{ "name": "1080p", "url": direct }]));
    let server = serving(
        &home,
        &addon("addon", &site),
        &[("REELCACHE_TORRENTS_DHT", "false"), ("REELCACHE_TORRENTS_DISK_RESERVE", "0")],
    );
    // All who may listen do: who comes now has to ask.
    let listeners: Vec<Events> = (0..16).map(|_| Events::of(&server)).collect();
    let browser = Browser::at(&server);
    browser.open("/test-source-selection");
    browser.until("document.querySelector('#connection').textContent.includes('every two seconds')");
    browser.until("document.querySelector('#weights').textContent.includes('memory')");
    browser.enter("[name=address]", "movie/tt0111161/0");
    browser.click("[name=ask]");
    browser.until("document.querySelector('#decision').textContent.includes('Redirect')");
    browser.enter("[name=address]", &seeder.magnet());
    browser.click("[name=ask]");
    browser.until("document.querySelector('#decision').textContent.includes('Torrent')");
    assert!(browser.text("#decision").contains("1.0 MiB"), "{}", browser.text("#decision"));
    // What the cache holds of it shows without anybody telling.
    assert_eq!(get(&server, &format!("/play?url={}", escaped(&seeder.magnet()))).status, 200);
    browser.until("[...document.querySelectorAll('#weights td')].some(cell => cell.textContent.includes('1.0 MiB'))");
    drop(listeners);
    browser.until("document.querySelector('#connection').textContent.includes('as they change')");
    assert_eq!(browser.complaints(&["429 (Too Many Requests)"]), [""; 0]);
}

#[test]
fn behind_a_token_a_film_plays_by_a_ticket_that_is_renewed_and_the_token_is_in_no_address() {
    let home = Home::new();
    let film = std::fs::read(film_of(&home, "+faststart")).expect("a clip");
    let origin = Origin::of(film);
    let server = for_others(&home);
    let browser = Browser::at(&server);
    browser.open("/test-source-selection");
    browser.until("document.querySelector('#token-dialog').open");
    browser.press(ADMIN.chars());
    browser.press([ENTER]);
    browser.until("document.querySelector('#weights').textContent.includes('memory')");
    browser.enter("[name=address]", &origin.url("/film.mp4"));
    browser.click("[name=play]");
    browser.until("document.querySelector('video').readyState >= 2");
    let source = "document.querySelector('video').src";
    assert_eq!(browser.run(&format!("return {source}.includes('&ticket=')")), json!(true));
    let addresses = browser
        .run("return [location.href, ...performance.getEntriesByType('resource').map(entry => entry.name)].join(' ')");
    assert!(!addresses.as_str().unwrap().contains(ADMIN), "{addresses}");
    browser.run("document.querySelector('video').currentTime = 30");
    browser.until("!document.querySelector('video').seeking && document.querySelector('video').currentTime >= 30");

    // An hour later the server takes the ticket no more.
    browser.run(&format!(
        "const now = performance.now.bind(performance); performance.now = () => now() + 3600000;
         window.before = {source}; const video = document.querySelector('video'); video.currentTime = 40;
         const at = video.currentTime; video.src = {source}.replace(/ticket=\\d+/, 'ticket=1'); video.currentTime = at;"
    ));
    browser.until(&format!("{source} !== window.before && !{source}.includes('ticket=1.')"));
    browser
        .until("document.querySelector('video').readyState >= 2 && document.querySelector('video').currentTime >= 40");
    assert_eq!(browser.complaints(&["401 (Unauthorized)", "403 (Forbidden)"]), [""; 0]);
}

#[test]
fn what_strangers_call_things_is_text_wherever_it_is_shown() {
    let (home, site) = (Home::new(), Site::new());
    let names = [
        "<img src=x onerror=window.hacked=1>".to_owned(),
        "\"'><script>window.hacked=1</script>&lt;b&gt;".to_owned(),
        "\u{202e}gpj.exe\u{2066}\u{200f}".to_owned(),
        "long ".repeat(820),
    ];
    for (at, name) in names.iter().enumerate() {
        let item = json!({ "metadata": { "title": name }, "files": [{ "name": "a.mp4", "format": "h.264" }] });
        site.says(&format!("/metadata/{at}"), Page::json(&item));
    }
    let server = serving(&home, &archive("archive", &site), &[("CACHE_MAX_SIZE", "2")]);
    let browser = Browser::at(&server);
    browser.open("/");
    browser.until("document.querySelector('#connection').textContent !== ''");
    // As addresses: of jobs and their errors, and of keys as far as an address may look so.
    for (at, name) in names.iter().enumerate() {
        let page = format!("https://archive.org/details/{at}?q={name}");
        assert_eq!(post(&server, "/api/warm", &json!({ "addresses": [name, page] })).status, 200);
        get(&server, &format!("/get-videos?url={}", escaped(&page)));
        get(&server, &format!("/play?url={}", escaped(&format!("http://127.0.0.1:1/{name}"))));
    }
    browser.until("document.querySelectorAll('#jobs tbody tr').length >= 4");
    browser.until("document.querySelectorAll('#errors tbody tr').length >= 1");
    browser.until("document.querySelectorAll('#gone tbody tr').length >= 1");
    for (at, shown) in [(0, "<img src=x"), (1, "<script>")] {
        assert!(browser.text("#jobs").contains(shown), "{at}: {}", browser.text("#jobs"));
    }
    // In the questions that are asked before something is done.
    browser.enter("#warm textarea", &names[..3].join("\n"));
    browser.click("#warm [name=real]");
    browser.until("document.querySelector('#confirm').open");
    assert!(browser.text("#confirm").contains("<img src=x"), "{}", browser.text("#confirm"));
    browser.press([ESCAPE]);
    for path in ["/", "/plain"] {
        browser.open(path);
        browser.until("document.querySelector('table') !== null");
        let made = "return document.querySelector('main img, main script, td img, td script') ?? window.hacked ?? null";
        assert_eq!(browser.run(made), json!(null), "{path}");
    }
    browser.open("/");
    browser.until("document.querySelectorAll('#jobs tbody tr').length >= 4");
    let wide = browser.run("return document.documentElement.scrollWidth > document.documentElement.clientWidth");
    assert_eq!(wide, json!(false), "a long name makes the page wider");
    let isolated =
        "return [...document.querySelectorAll('#jobs bdi')].some(one => one.textContent.includes('\\u202e'))";
    assert_eq!(browser.run(isolated), json!(true), "what turns text around is shown in a box of its own");
    assert_eq!(browser.complaints(&[]), [""; 0]);
}
