//! Ranges of a film that is all there: `/play` beside the same file from nginx and from tower-http.

use std::fs;

use benches::report::Report;

use super::servers::Home;
use super::{Load, compared, wrk};

const CONNECTIONS: usize = 8;
/// Bytes of a range.
const RANGE: u64 = 1 << 20;

pub(crate) fn measure(load: Load, report: &mut Report) -> Result<(), String> {
    let home = Home::new();
    home.film(load.film);
    let site = home.site(b"{}");
    let ours = home.reelcache(&site, &[])?;
    let nginx = home.nginx(&site);
    let played = format!("/play?url={}/files/film.mp4", site.url(""));
    // All of it is fetched before anything is measured, and is the film.
    let film = fs::read(home.path("files/film.mp4")).map_err(|error| error.to_string())?;
    assert!(ours.get(&played) == film, "what is played is not the film");
    drop(film);
    let script = home.path("ranges.lua");
    let text = format!(
        "math.randomseed(42)
         request = function()
           local at = math.random(0, {} - 1) * {RANGE}
           wrk.headers['Range'] = 'bytes=' .. at .. '-' .. (at + {RANGE} - 1)
           return wrk.format('GET')
         end",
        load.film / RANGE,
    );
    fs::write(&script, text).map_err(|error| error.to_string())?;
    let urls = [ours.url(&played), nginx.url("/files/film.mp4"), site.url("/files/film.mp4")];
    report.say(format!(
        "#### Ranges of a film\n\n`/play` of a film of {} MiB that is all there, ranges of 1 MiB at random places, over {CONNECTIONS} \
         connections of wrk, beside the same file from nginx (`sendfile`) and tower-http. Every part that Reelcache sends was \
         checked. Medians of {} slices:",
        load.film >> 20,
        load.rounds,
    ));
    let names = ["Reelcache", "nginx", "tower-http ServeDir"];
    let table = compared(&names, &["MiB a second", "99th percentile, ms"], load.rounds, |at| {
        let seen = wrk::ask(&urls[at], CONNECTIONS, load.slice, Some(&script));
        vec![seen.throughput, seen.p99]
    });
    report.say(table.markdown());
    Ok(())
}
