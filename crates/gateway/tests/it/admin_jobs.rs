//! Jobs as programs see them: listed, listened to, cancelled, and in nobody's way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::origin::Origin;
use super::support::{Home, Server};
use super::web::{get, send};

const LIMIT: Duration = Duration::from_secs(30);

/// A connection on which the server tells events.
pub(crate) struct Events(BufReader<TcpStream>);

impl Events {
    pub(crate) fn of(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
        let mut this = Self(BufReader::new(stream));
        let status = this.line().expect("a status");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        this
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(read) if read > 0 => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// The data of the next event of the kind `name` that `is_meant`.
    fn next(&mut self, name: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        let (end, start) = (Instant::now() + LIMIT, format!("event: {name}"));
        loop {
            assert!(Instant::now() < end, "no such event");
            if self.line().expect("the stream goes on") == start {
                let data = self.line().expect("its data");
                let data = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("JSON");
                if is_meant(&data) {
                    return data;
                }
            }
        }
    }

    /// Whether the stream ends.
    fn ends(mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).is_ok()
    }
}

fn jobs(server: &Server, kind: &str) -> Vec<Value> {
    let all = get(server, "/api/jobs").json()["jobs"].as_array().expect("jobs").clone();
    all.into_iter().filter(|job| job["kind"] == kind).collect()
}

/// Waits until `answer` is something.
fn eventually<T>(what: &str, answer: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < end, "{what}");
        std::thread::yield_now();
    }
}

/// A provider that takes connections and says nothing.
struct Silent(TcpListener);

impl Silent {
    fn new(home: &Home) -> (Self, Server) {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("an address");
        let file = format!("[providers.films]\nkind = 'internet-archive'\nbase_url = 'http://{address}'\n");
        let server = super::web::serving(home, &file, &[]);
        (Self(silent), server)
    }

    /// Asks the server to look a page up there, and waits until it does; both connections.
    fn warm(&self, server: &Server) -> [TcpStream; 2] {
        let page = format!("http://{}/details/a-film", self.0.local_addr().expect("an address"));
        let body = format!("{{\"addresses\": [\"{page}\"]}}");
        let mut asking = TcpStream::connect(server.address).expect("a connection");
        let head = "POST /api/warm HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
        write!(asking, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a request");
        let (asked, _) = self.0.accept().expect("the provider is asked");
        [asking, asked]
    }
}

#[test]
fn a_lookup_is_a_job_with_the_load_under_it_and_ends_when_it_is_cancelled() {
    let home = Home::new();
    let (silent, server) = Silent::new(&home);
    let mut events = Events::of(&server);
    let [mut asking, _asked] = silent.warm(&server);
    let told = events.next("job", |job| job["kind"] == "warm" && job["state"] == "running");
    assert_eq!((&told["unit"], &told["total"], &told["error"]), (&"links".into(), &1.into(), &Value::Null), "{told}");
    let load = eventually("the load is listed", || jobs(&server, "load").pop());
    assert!(load["what"].as_str().unwrap().contains("links"), "{load}");
    let refused = send(&server, &format!("DELETE /api/jobs/{}", load["id"].as_str().unwrap()), "");
    assert_eq!(refused.status, 409, "{refused:?}");

    let id = told["id"].as_str().unwrap();
    assert_eq!(get(&server, &format!("/api/jobs/{id}")).json()["id"], told["id"]);
    let cancelled = send(&server, &format!("DELETE /api/jobs/{id}"), "");
    assert_eq!((cancelled.status, &cancelled.json()["cancellable"]), (202, &false.into()));
    let mut answer = String::new();
    asking.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    events.next("job", |job| job["id"] == told["id"] && job["state"] == "cancelled");
    assert_eq!(get(&server, &format!("/api/jobs/{id}")).json()["state"], "cancelled");
    assert_eq!(send(&server, &format!("DELETE /api/jobs/{id}"), "").status, 409);
    assert_eq!(send(&server, "DELETE /api/jobs/another", "").status, 404);
}

#[test]
fn a_film_that_is_fetched_is_a_job_until_it_is_there() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 6 << 20]).throttled(3 << 20));
    let server = Server::start_reaching_anywhere(&home);
    let mut events = Events::of(&server);
    let url = film.url("/a.mp4");
    assert_eq!(server.play(&url), 200);
    let told = events.next("job", |job| job["kind"] == "blob");
    assert_eq!((&told["unit"], &told["total"]), (&"bytes".into(), &(6_u64 << 20).into()), "{told}");
    events.next("job", |job| job["id"] == told["id"] && job["state"] == "done");
    assert!(eventually("it is gone from the list", || jobs(&server, "blob").is_empty().then_some(true)));
}

#[test]
fn figures_come_each_second_and_are_those_of_the_statistics() {
    let home = Home::new();
    let server = Server::start(&home);
    let mut events = Events::of(&server);
    let first = events.next("stats", |_| true);
    let begun = Instant::now();
    for _ in 0..2 {
        events.next("stats", |_| true);
    }
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
    let figures = server.figures();
    let names = |figures: &Value| figures.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&first), names(&figures));
}

#[test]
fn listeners_take_no_turn_are_bounded_and_leave_their_places() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_MAX_ADMIN_REQUESTS", "1")]);
    let listeners: Vec<Events> = (0..16).map(|_| Events::of(&server)).collect();
    assert_eq!(get(&server, "/api/cache-stats").status, 200);
    let refused = get(&server, "/api/events");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    drop(listeners);
    eventually("a place becomes free", || {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (&status == b"HTTP/1.1 200").then_some(())
    });
}

#[test]
fn a_listener_does_not_hold_the_end_of_the_server_up() {
    let home = Home::new();
    let mut command = home.reelcache();
    command.args(["serve", "--listen", "127.0.0.1:0", "--drain", "60s"]);
    let server = Server::start_command(&mut command);
    let mut events = Events::of(&server);
    events.next("stats", |_| true);
    let begun = Instant::now();
    let (code, _) = server.stop("-TERM");
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(events.ends());
}

#[test]
fn listening_needs_what_reading_needs() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("REELCACHE_READ_TOKEN", "reader-reader-reader")]);
    assert_eq!(get(&server, "/api/events").status, 401);
    assert_eq!(get(&server, "/api/jobs").status, 401);
    let token = "Authorization: Bearer reader-reader-reader";
    assert_eq!(send(&server, &format!("GET /api/jobs\r\n{token}"), "").status, 200);
    assert_eq!(send(&server, &format!("DELETE /api/jobs/1\r\n{token}"), "").status, 403);
}
