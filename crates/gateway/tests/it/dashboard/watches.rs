//! Figures, jobs and errors appear on the page as they change.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::super::browser::Browser;
use super::super::origin::Origin;
use super::super::site::{Page, Site};
use super::super::support::{Home, Server};
use super::super::web::{archive, escaped, get, serving};

/// The figure of the tile with that name.
fn tile(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#tiles div')].find(tile => tile.firstChild.textContent === '{name}').lastChild.textContent"
    )
}

#[test]
fn figures_change_after_requests_and_nothing_is_complained_about() {
    let home = Home::new();
    let server = Server::start_reaching_anywhere(&home);
    let browser = Browser::at(&server);
    browser.open("/");
    browser.until("document.querySelector('#connection').textContent.includes('as they change')");
    browser.until(&format!("{} === '0'", tile("Entries")));
    for tier in ["memory", "file"] {
        assert!(browser.text("#weights").contains(tier), "{}", browser.text("#weights"));
    }
    let origin = Origin::of(vec![7; 3 << 20]);
    assert_eq!(server.play(&origin.url("/film.mp4")), 200);
    browser.until(&format!("Number({}) > 1", tile("Entries")));
    browser.until("document.querySelector('#top').textContent.includes('play:')");
    browser.until("document.querySelectorAll('#rate polyline').length === 2");
    assert_eq!(browser.complaints(&[]), [""; 0]);
}

#[test]
fn a_film_that_is_fetched_shows_its_segments() {
    let home = Home::new();
    let origin = Origin::of(vec![7; 40 << 20]).throttled(1 << 20);
    let server = Server::start_reaching_anywhere(&home);
    let browser = Browser::at(&server);
    browser.open("/");
    let mut player = TcpStream::connect(server.address).expect("a connection");
    let url = origin.url("/film.mp4");
    write!(player, "GET /play?url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    browser.until("document.querySelectorAll('#films .map .fill1').length > 0");
    browser.until("document.querySelectorAll('#films .map .fill0').length > 0");
    browser.until("document.querySelectorAll('#films .map .reader').length === 1");
    assert!(browser.text("#films").contains("of 40.0 MiB kept"), "{}", browser.text("#films"));
    browser.until("document.querySelector('#jobs').textContent.includes('blob')");
    assert_eq!(browser.complaints(&[]), [""; 0]);
}

#[test]
fn a_job_appears_is_cancelled_by_its_button_and_an_error_is_told() {
    let (home, site) = (Home::new(), Site::new());
    site.says("/metadata/slow", Page::status(500).after(Duration::from_mins(2)));
    let server = serving(&home, &archive("archive", &site), &[]);
    let browser = Browser::at(&server);
    browser.open("/");
    browser.until("document.querySelectorAll('#warm option').length === 2");
    browser.enter("#warm textarea", "https://archive.org/details/slow");
    browser.click("#warm [name=real]");
    browser.until("document.querySelector('#confirm').open");
    browser.click("#confirm-yes");
    browser.until("document.querySelector('#jobs button') !== null");
    browser.click("#jobs button");
    browser.until("document.querySelector('#jobs').textContent.includes('cancelled')");
    browser.until("document.querySelector('#upkeep').textContent.includes('cancelled')");

    let silent = escaped("http://127.0.0.1:1/film.mp4");
    assert!(get(&server, &format!("/play?url={silent}")).status >= 500);
    browser.until("document.querySelector('#errors').textContent.includes('/play')");
    assert_eq!(browser.complaints(&["409 (Conflict)"]), [""; 0]);
}
