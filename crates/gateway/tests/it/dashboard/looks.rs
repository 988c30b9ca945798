//! How the pages look: light, dark, and readable in both.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use serde_json::json;

use super::super::browser::Browser;
use super::super::origin::Origin;
use super::super::support::{Home, Server};

/// Texts whose contrast with what is behind them is below 4.5 to 1, with that contrast.
const FAINT: &str = "
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const parts = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
const light = rgb => { const [r, g, b] = rgb.slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = node => { for (let at = node; at; at = at.parentElement) { const rgb = parts(getComputedStyle(at).backgroundColor); if (rgb[3] === 255) return rgb; } return [255, 255, 255, 255]; };
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const faint = [];
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !node.checkVisibility() || node.closest('script, svg, :disabled')) continue;
  const pair = [light(parts(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) faint.push(node.textContent.slice(0, 40) + ' ' + contrast.toFixed(2));
}
return faint;";

/// Controls without a name that is spoken, and headings that skip a rank.
const UNNAMED: &str = "
const named = node => node.labels?.length || node.getAttribute('aria-label') || node.textContent.trim();
const bare = [...document.querySelectorAll('input, select, textarea, button, a, video, progress')].filter(node => node.checkVisibility() && !named(node));
const ranks = [...document.querySelectorAll('main h2, main h3')].map(node => Number(node.tagName[1]));
const jumps = ranks.filter((rank, i) => rank - (ranks[i - 1] ?? 1) > 1);
const images = [...document.querySelectorAll('svg:not([aria-label])')];
return [...bare, ...images].map(node => node.outerHTML).concat(jumps.map(String));";

#[test]
fn both_pages_are_readable_in_light_and_dark() {
    let home = Home::new();
    let server = Server::start(&home);
    let browser = Browser::at(&server);
    for path in ["/", "/test-source-selection"] {
        browser.open(path);
        browser.until("document.querySelector('#weights').textContent.includes('memory')");
        let background = "return getComputedStyle(document.body).backgroundColor";
        let scheme = |value: &str| {
            let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
            browser.devtools("Emulation.setEmulatedMedia", &features);
            browser.run(background)
        };
        let (light, dark) = (scheme("light"), scheme("dark"));
        assert_ne!(light, dark, "{path} follows the system");
        for (theme, expected) in [("light", &light), ("dark", &dark)] {
            browser.enter("#theme", theme);
            assert_eq!(&browser.run(background), expected, "{path}: the switch wins over the system");
            assert_eq!(browser.run(FAINT), json!([]), "{path} in {theme}");
        }
        browser.open(path);
        browser.until("document.querySelector('#theme').value === 'dark'");
        browser.enter("#theme", "");
        assert_eq!(browser.run(UNNAMED), json!([]), "{path}");
        assert_eq!(browser.complaints(&[]), [""; 0], "{path}");
    }
}

/// Writes pictures into the folder that `DASHBOARD_PICTURES` names, if it names one.
#[test]
fn pictures_of_both_pages_differ_by_theme() {
    let (home, clip) = (Home::new(), Origin::of(vec![7; 60 << 20]).throttled(4 << 20));
    let server = Server::start_reaching_anywhere(&home);
    let mut player = TcpStream::connect(server.address).expect("a connection");
    let url = clip.url("/film.mp4");
    write!(player, "GET /play?url={url} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    let browser = Browser::at(&server);
    for (path, name) in [("/", "dashboard"), ("/test-source-selection", "sources")] {
        browser.open(path);
        browser.until("document.querySelectorAll('#films .map .fill0').length > 0");
        let pictures = ["light", "dark"].map(|theme| {
            browser.enter("#theme", theme);
            let picture = browser.picture();
            assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{} bytes", picture.len());
            if let Some(folder) = std::env::var_os("DASHBOARD_PICTURES") {
                let file = Path::new(&folder).join(format!("{name}-{theme}.png"));
                std::fs::write(file, &picture).expect("a file");
            }
            picture
        });
        assert_ne!(pictures[0], pictures[1], "{path}");
    }
}
