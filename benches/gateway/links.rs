//! Cached links: `/get-videos` beside the same body from a handler that does nothing else, and from nginx.

use benches::report::Report;

use super::servers::Home;
use super::{Load, compared, wrk};

const CONNECTIONS: usize = 64;
const TARGET: &str = "/get-videos?provider=films&url=https%3A%2F%2Farchive.org%2Fdetails%2Fmoon";

pub(crate) fn measure(load: Load, report: &mut Report) -> Result<(), String> {
    let home = Home::new();
    let site = home.site(b"{}");
    let ours = home.reelcache(&site, &[])?;
    // Once to load it, once for what a hit answers.
    ours.get(TARGET);
    let body = ours.get(TARGET);
    let alternative = home.site(&body);
    let nginx = home.nginx(&alternative);
    let urls = [ours.url(TARGET), alternative.url("/constant"), nginx.url("/cached/constant")];
    report.say(format!(
        "#### Cached links\n\n`GET /get-videos` that hits, {} bytes of JSON, over {CONNECTIONS} connections of wrk, beside an axum \
         handler that answers the same bytes, and nginx with `proxy_cache`. Medians of {} slices:",
        body.len(),
        load.rounds,
    ));
    let names = ["Reelcache", "axum, a constant", "nginx proxy_cache"];
    let table = compared(&names, &["requests a second", "99th percentile, ms"], load.rounds, |at| {
        let seen = wrk::ask(&urls[at], CONNECTIONS, load.slice, None);
        vec![seen.rate, seen.p99]
    });
    report.say(table.markdown());
    Ok(())
}
