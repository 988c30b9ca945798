//! A thousand players that read as slowly as a film plays.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::report::{Report, Table};
use benches::stats::quantile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::Load;
use super::servers::{Home, Process};

/// Bytes that a player takes at once.
const BITE: usize = 64 << 10;
/// Between two of them: 1 Mbit/s.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn measure(load: Load, report: &mut Report) -> Result<(), String> {
    let home = Home::new();
    home.film(load.film);
    let site = home.site(b"{}");
    let most = (load.players + 16).to_string();
    let ours = home.reelcache(&site, &[("REELCACHE_MAX_CONNECTIONS", &most)])?;
    let nginx = home.nginx(&site);
    let played = format!("/play?url={}/files/film.mp4", site.url(""));
    ours.get(&played);
    report.say(format!(
        "#### Slow players\n\n{} players, each at a place of its own, take {} KiB every {} ms for {} s. What a bite took longer than a \
         read of what is there is waiting; memory is what the process has more with the players than without.",
        load.players,
        BITE >> 10,
        PAUSE.as_millis(),
        load.playing.as_secs(),
    ));
    let mut table =
        Table::new(["server", "waiting, median, ms", "99th percentile, ms", "longest, ms", "KiB for each player"]);
    // The workers of nginx are children of the process whose memory is read: its own figures say nothing.
    for (name, server, path, is_told) in
        [("Reelcache", &ours, &*played, true), ("nginx", &nginx, "/files/film.mp4", false)]
    {
        let (mut waits, memory) = crowd(server, path, load)?;
        let mut at = |share| quantile(&mut waits, share).unwrap_or(f64::NAN);
        let figures = [at(0.5), at(0.99), at(1.0)].map(|wait| format!("{wait:.1}"));
        let memory = if is_told { format!("{:.1}", memory / load.players as f64 / 1024.0) } else { String::new() };
        table.row([name.to_owned()].into_iter().chain(figures).chain([memory]));
    }
    report.say(table.markdown());
    Ok(())
}

/// How long each bite was waited for, in milliseconds, and the memory that all players took, in bytes.
fn crowd(server: &Process, path: &str, load: Load) -> Result<(Vec<f64>, f64), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let before = server.resident();
    runtime.block_on(async {
        let ready = Arc::new(Barrier::new(load.players + 1));
        let players: Vec<_> = (0..load.players)
            .map(|number| {
                let from = load.film / 2 * number as u64 / load.players as u64;
                tokio::spawn(play(server.address, path.to_owned(), from, ready.clone(), load.playing))
            })
            .collect();
        ready.wait().await;
        tokio::time::sleep(load.playing / 2).await;
        let during = server.resident();
        let mut waits = Vec::new();
        for player in players {
            waits.extend(player.await.map_err(|error| error.to_string())?);
        }
        Ok((waits, during as f64 - before as f64))
    })
}

async fn play(address: SocketAddr, path: String, from: u64, ready: Arc<Barrier>, playing: Duration) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={from}-\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut bite = vec![0; BITE];
    stream.read_exact(&mut bite[..12]).await.expect("an answer");
    assert_eq!(&bite[..12], b"HTTP/1.1 206");
    ready.wait().await;
    let began = Instant::now();
    let mut waits = Vec::new();
    // Not all at once.
    let mut due = began + PAUSE * u32::try_from(from % 97).unwrap_or_default() / 97;
    while began.elapsed() < playing {
        tokio::time::sleep_until(due.into()).await;
        let asked = Instant::now();
        if stream.read_exact(&mut bite).await.is_err() {
            break;
        }
        waits.push(asked.elapsed().as_secs_f64() * 1e3);
        due += PAUSE;
    }
    waits
}
