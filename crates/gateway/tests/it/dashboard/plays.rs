//! Search results and sources are played within the page.

use serde_json::json;

use super::super::browser::Browser;
use super::super::origin::Origin;
use super::super::players::{RATE, film};
use super::super::site::{Page, Site};
use super::super::support::{Home, Server};
use super::super::web::{archive, serving};

#[test]
fn test_source_selection_tells_the_decision_plays_seeks_and_shows_the_cache_fill() {
    let home = Home::new();
    let film = std::fs::read(film(&home, "+faststart")).expect("a clip");
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
