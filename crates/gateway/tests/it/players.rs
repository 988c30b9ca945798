//! Real players on `/play?url=`: each seeks in a film that a slow origin is still sending.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::origin::Origin;
use super::support::{Home, Server};

/// Bytes a second that the origin sends: the film takes some four seconds.
pub(crate) const RATE: usize = 3_000_000;
/// For a player to start and to seek.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// Bytes of a segment.
pub(crate) const SEGMENT: usize = 2 << 20;

/// A film of a minute, 20 s red, 20 s green and 20 s blue, with enough noise for 1.5 Mbit/s.
pub(crate) fn film(home: &Home, layout: &str) -> PathBuf {
    let path = home.path(format!("film{layout}.mp4"));
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y"]);
    for color in ["red", "green", "blue"] {
        command.args(["-f", "lavfi", "-i", &format!("color={color}:duration=20:size=320x180:rate=25")]);
    }
    command.args(["-filter_complex", "[0][1][2]concat=n=3,noise=alls=30:allf=t", "-pix_fmt", "yuv420p"]);
    command.args([
        "-preset",
        "ultrafast",
        "-b:v",
        "1500k",
        "-minrate",
        "1500k",
        "-maxrate",
        "1500k",
        "-bufsize",
        "300k",
        "-g",
        "50",
    ]);
    let made = command.args(["-movflags", layout]).arg(&path).output();
    let made = made.expect("ffmpeg runs: `cargo xtask test` installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    path
}

/// The film behind a slow origin, and the address at which it is played.
struct Show {
    server: Server,
    origin: Origin,
    film: PathBuf,
    home: Home,
}

impl Show {
    fn new(layout: &str) -> Self {
        let home = Home::new();
        let film = film(&home, layout);
        let origin = Origin::of(std::fs::read(&film).expect("a clip")).throttled(RATE);
        Self { server: Server::start_reaching_anywhere(&home), origin, film, home }
    }

    fn url(&self) -> String {
        format!("http://{}/play?url={}", self.server.address, self.origin.url("/film.mp4"))
    }

    /// A player that asks here and there is served from few fetches, not from one for each question.
    fn assert_fetched_little(&self) {
        let len = std::fs::metadata(&self.film).expect("a clip").len() as usize;
        assert!(self.origin.sent() <= len + 3 * 2 * SEGMENT, "{} of {len} bytes were fetched", self.origin.sent());
    }
}

/// The frame that mpv shows first when it is told to start at `at` seconds.
fn mpv(home: &Home, input: &str, at: &str) -> Vec<u8> {
    let out = tempfile::tempdir_in(home.path(".")).expect("a folder");
    let run = Command::new("mpv")
        .args(["--no-config", "--no-audio", "--vo=image", "--vo-image-format=png", "--hr-seek=yes", "--frames=1"])
        .arg(format!("--vo-image-outdir={}", out.path().display()))
        .args([&format!("--start={at}"), input])
        .output()
        .expect("mpv runs: `cargo xtask test` installs it");
    assert!(run.status.success(), "mpv at {at}: {}", String::from_utf8_lossy(&run.stdout));
    let images: Vec<_> = std::fs::read_dir(out.path()).expect("a folder").flatten().collect();
    assert_eq!(images.len(), 1, "mpv at {at}: {}", String::from_utf8_lossy(&run.stdout));
    std::fs::read(images[0].path()).expect("an image")
}

#[test]
fn mpv_seeks_in_a_film_that_is_still_being_fetched() {
    for layout in ["+faststart", "-faststart"] {
        let show = Show::new(layout);
        let film = show.film.to_str().expect("a path");
        for at in ["50", "10", "30"] {
            assert!(mpv(&show.home, &show.url(), at) == mpv(&show.home, film, at), "{layout}: the frame at {at} s");
        }
        show.assert_fetched_little();
    }
}

/// A page for a browser that says what it sees.
const PAGE: &str = r#"<!doctype html><title>player</title><video muted crossorigin="anonymous" preload="auto"></video>
<script>
const video = document.querySelector('video'), wanted = [50, 10, 30];
let seen = 0, told = Promise.resolve();
const report = text => { told = told.then(() => fetch('/report?' + encodeURIComponent(text))); };
const color = () => {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 1, 1);
  const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  return ['red', 'green', 'blue'][parts.indexOf(Math.max(...parts))];
};
const next = () => { if (seen < wanted.length) video.currentTime = wanted[seen]; };
video.addEventListener('error', () => report('error ' + video.error.code + ' ' + video.error.message));
video.addEventListener('loadedmetadata', next);
video.addEventListener('seeked', () => {
  try { report(video.currentTime + ':' + color()); seen += 1; next(); } catch (error) { report('' + error); }
});
video.src = 'SOURCE';
</script>"#;

/// A server with the page, and what the page has reported.
struct Stage {
    address: SocketAddr,
    reports: Receiver<String>,
}

impl Stage {
    fn new(source: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let page = PAGE.replace("SOURCE", source);
        let (sender, reports) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (page, sender) = (page.clone(), sender.clone());
                // A browser opens connections that it may not need, and leaves.
                thread::spawn(move || answer(&stream, &page, &sender).ok());
            }
        });
        Self { address, reports }
    }
}

fn answer(mut stream: &TcpStream, page: &str, reports: &Sender<String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap_or_default();
    let body = match path.strip_prefix("/report?") {
        Some(report) => {
            let report = report.replace("%20", " ").replace("%3A", ":");
            let _ = reports.send(report);
            ""
        }
        None if path == "/" => page,
        None => "",
    };
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 200 x\r\nContent-Type: text/html\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// A browser and its children, stopped when dropped.
struct Browser(Child);

impl Browser {
    fn open(profile: &Path, address: SocketAddr) -> Self {
        let child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"])
            .args(["--no-first-run", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("http://{address}/"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromium runs: `cargo xtask test` installs it");
        Self(child)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// A browser that seeks to 50, 10 and 30 s.
pub(crate) struct Seeker {
    stage: Stage,
    _browser: Browser,
}

impl Seeker {
    /// One with a profile of that name, on the film at `source`.
    pub(crate) fn open(home: &Home, profile: &str, source: &str) -> Self {
        let stage = Stage::new(source);
        let browser = Browser::open(&home.path(profile), stage.address);
        Self { stage, _browser: browser }
    }

    /// The next second that it arrives at, and the colour that it sees there.
    pub(crate) fn next(&self, limit: Duration) -> String {
        self.stage.reports.recv_timeout(limit).expect("the page reports")
    }
}

#[test]
fn chromium_seeks_in_a_film_that_is_still_being_fetched() {
    for layout in ["+faststart", "-faststart"] {
        let show = Show::new(layout);
        let seeker = Seeker::open(&show.home, "profile", &show.url());
        for expected in ["50:blue", "10:red", "30:green"] {
            assert_eq!(seeker.next(LIMIT), expected, "{layout}");
        }
        drop(seeker);
        show.assert_fetched_little();
    }
}
