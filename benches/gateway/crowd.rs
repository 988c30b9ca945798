//! Ten thousand at once who want links that are not there: how often the site is asked.

use std::sync::Arc;
use std::time::Instant;

use benches::report::{Report, Table};
use benches::stats::quantile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::Load;
use super::servers::Home;

const TARGET: &str = "/get-videos?provider=films&url=https%3A%2F%2Farchive.org%2Fdetails%2Fmoon";

pub(crate) fn measure(load: Load, report: &mut Report) -> Result<(), String> {
    let home = Home::new();
    let site = home.site(b"{}");
    let most = (load.crowd + 16).to_string();
    let ours = home.reelcache(&site, &[("REELCACHE_MAX_CONNECTIONS", &most)])?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let address = ours.address;
    let mut times = runtime.block_on(async {
        let connected = Arc::new(Barrier::new(load.crowd));
        let askers: Vec<_> = (0..load.crowd)
            .map(|_| {
                let connected = connected.clone();
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.expect("a connection");
                    connected.wait().await;
                    let asked = Instant::now();
                    let request = format!("GET {TARGET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
                    stream.write_all(request.as_bytes()).await.expect("a request");
                    let mut answer = Vec::new();
                    stream.read_to_end(&mut answer).await.expect("an answer");
                    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
                    asked.elapsed().as_secs_f64()
                })
            })
            .collect();
        let mut times = Vec::new();
        for asker in askers {
            times.push(asker.await.map_err(|error| error.to_string())?);
        }
        Ok::<_, String>(times)
    })?;
    let asked = String::from_utf8_lossy(&site.get("/asked")).into_owned();
    report.say(format!(
        "#### A crowd\n\n{} connections ask for the same links at once, which the site takes 3 s to tell.",
        load.crowd
    ));
    let mut table = Table::new(["answered", "the site was asked", "median, s", "last, s"]);
    let middle = quantile(&mut times, 0.5).unwrap_or(f64::NAN);
    let last = quantile(&mut times, 1.0).unwrap_or(f64::NAN);
    table.row([times.len().to_string(), asked, format!("{middle:.2}"), format!("{last:.2}")]);
    report.say(table.markdown());
    Ok(())
}
