//! What changes the cache is counted, confirmed, and needs the token where there is one.

use std::time::{Duration, Instant};

use super::super::browser::{Browser, ENTER, ESCAPE, TAB};
use super::super::origin::Origin;
use super::super::support::{Home, Server};

const TOKEN: &str = "a-token-of-the-administrator";

/// A server that keeps a film: its manifest and two segments.
fn with_a_film(home: &Home) -> Server {
    let server = Server::start_reaching_anywhere(home);
    assert_eq!(server.play(&Origin::of(vec![7; 3 << 20]).url("/film.mp4")), 200);
    let end = Instant::now() + Duration::from_secs(30);
    while server.entries().last() != Some(&3) {
        assert!(Instant::now() < end, "the film is not kept: {:?}", server.entries());
        std::thread::yield_now();
    }
    server
}

#[test]
fn a_clear_counts_asks_and_then_removes_by_keyboard_alone() {
    let home = Home::new();
    let server = with_a_film(&home);
    let kept = server.entries();
    let browser = Browser::at(&server);
    browser.open("/");
    browser.until("document.querySelector('#connection').textContent !== ''");

    browser.press([TAB]);
    assert_eq!(browser.run("return document.activeElement.className"), "skip", "the first stop skips the head");
    browser.press([ENTER]);
    browser.until("document.activeElement.id === 'main'");
    for _ in 0..60 {
        if browser.run("return document.activeElement.name") == "pattern" {
            break;
        }
        browser.press([TAB]);
    }
    browser.press("play:*".chars());
    browser.press([ENTER]);
    browser.until("document.querySelector('#upkeep').textContent.includes('Nothing was removed')");
    assert_eq!(server.entries(), kept, "a count removes nothing");

    browser.press([TAB, ENTER]);
    browser.until("document.querySelector('#confirm').open");
    let told = browser.text("#confirm");
    assert!(told.contains("play:*") && told.contains("file"), "{told}");
    browser.press([ESCAPE]);
    browser.until("!document.querySelector('#confirm').open && document.activeElement.name === 'real'");
    assert_eq!(server.entries(), kept, "who leaves the question removes nothing");

    browser.press([ENTER]);
    browser.until("document.querySelector('#confirm').open");
    assert_eq!(browser.run("return document.activeElement.value"), "no", "the safe answer comes first");
    browser.press([TAB, ENTER]);
    browser.until("document.querySelector('#upkeep').textContent.includes('were removed')");
    assert!(server.entries().iter().sum::<u64>() < kept.iter().sum(), "{kept:?}");
    assert_eq!(browser.complaints(&[]), [""; 0]);
}

#[test]
fn a_sweep_counts_and_asks_first() {
    let home = Home::new();
    let server = with_a_film(&home);
    let browser = Browser::at(&server);
    browser.open("/");
    browser.click("#sweep [name=dry]");
    browser.until("document.querySelector('#upkeep').textContent.includes('have expired. Nothing')");
    browser.click("#sweep [name=real]");
    browser.until("document.querySelector('#confirm').open");
    browser.click("#confirm-yes");
    browser.until("document.querySelector('#upkeep').textContent.includes('were dropped')");
    assert_eq!(browser.complaints(&[]), [""; 0]);
}

#[test]
fn a_server_with_a_token_asks_for_it_and_it_is_in_no_address() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_ADMIN_TOKEN", TOKEN)]);
    let browser = Browser::at(&server);
    browser.open("/");
    browser.until("document.querySelector('#token-dialog').open");
    assert!(!browser.text("#weights").contains("memory"), "figures without a token");
    browser.press(TOKEN.chars());
    browser.press([ENTER]);
    browser.until("document.querySelector('#weights').textContent.includes('memory')");
    let addresses = browser
        .run("return [location.href, ...performance.getEntriesByType('resource').map(entry => entry.name)].join(' ')");
    assert!(!addresses.as_str().unwrap().contains(TOKEN), "{addresses}");
    assert_eq!(browser.run("return localStorage.getItem('reelcache-token')"), serde_json::Value::Null);
    assert_eq!(browser.complaints(&["401 (Unauthorized)"]), [""; 0]);
    browser.click("#token-open");
    browser.click("#token-form [value=forget]");
    browser.until("document.querySelector('#token-dialog').open");
    assert_eq!(browser.run("return sessionStorage.getItem('reelcache-token')"), serde_json::Value::Null);
}
