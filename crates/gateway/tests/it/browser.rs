//! `Browser`: a headless Chromium that tests drive through chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::support::Server;

/// For a condition to hold in a page.
const LIMIT: Duration = Duration::from_mins(1);
/// For the driver to answer.
const ANSWER: Duration = Duration::from_mins(2);
/// Seen by a page before its own scripts: keeps what its policy has forbidden.
const WATCH: &str = "window.violations = [];
document.addEventListener('securitypolicyviolation', event => window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
window.addEventListener('unhandledrejection', event => window.violations.push(String(event.reason)));";

pub(crate) const TAB: char = '\u{E004}';
pub(crate) const ENTER: char = '\u{E007}';
pub(crate) const ESCAPE: char = '\u{E00C}';

/// A browser and its driver, ended when dropped.
pub(crate) struct Browser {
    driver: Child,
    /// A driver that cannot write ends.
    _output: Box<dyn Iterator<Item = String>>,
    port: u16,
    session: String,
    origin: String,
}

impl Browser {
    /// One that looks at `server`.
    pub(crate) fn at(server: &Server) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver runs: `cargo xtask test` installs it");
        let output = BufReader::new(driver.stdout.take().expect("its output"));
        let mut lines = Box::new(output.lines().map_while(Result::ok));
        let started =
            lines.find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());
        let origin = format!("http://{}", server.address);
        let mut browser =
            Self { driver, _output: lines, port: started.expect("a port"), session: String::new(), origin };
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--mute-audio",
            "--no-first-run",
            "--disable-background-networking",
            "--autoplay-policy=no-user-gesture-required",
            "--window-size=1200,1000",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "binary": "/usr/bin/chromium", "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": LIMIT.as_millis() as u64 },
        }}});
        let begun = browser.call("POST", "/session", &wanted);
        begun["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": WATCH }));
        browser
    }

    /// Opens the page at `path`.
    pub(crate) fn open(&self, path: &str) {
        self.ask("url", &json!({ "url": format!("{}{path}", self.origin) }));
    }

    /// What the function body `script` returns in the page.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text of what `selector` finds first.
    pub(crate) fn text(&self, selector: &str) -> String {
        let found = self.run(&format!("return document.querySelector({})?.textContent ?? ''", json!(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits in the page until `condition`, an expression, holds.
    pub(crate) fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const look = () => {{ let holds = false; try {{ holds = {condition}; }} catch {{}}
             if (holds) done(true); else setTimeout(look, 50); }}; look();"
        );
        let path = format!("/session/{}/execute/async", self.session);
        let held = self.call("POST", &path, &json!({ "script": script, "args": [] }));
        assert_eq!(
            held,
            json!(true),
            "{condition}: never; the page says {}",
            self.run("return document.body.innerText")
        );
    }

    /// Clicks what `selector` finds first.
    pub(crate) fn click(&self, selector: &str) {
        let found = self.ask("element", &json!({ "using": "css selector", "value": selector }));
        let element = found.as_object().and_then(|found| found.values().next()?.as_str());
        self.ask(&format!("element/{}/click", element.expect(selector)), &json!({}));
    }

    /// Gives `value` to the field that `selector` finds.
    pub(crate) fn enter(&self, selector: &str, value: &str) {
        let (selector, value) = (json!(selector), json!(value));
        self.run(&format!(
            "const field = document.querySelector({selector}); field.value = {value};
             field.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        ));
    }

    /// Presses `keys` one after the other.
    pub(crate) fn press(&self, keys: impl IntoIterator<Item = char>) {
        let strokes =
            keys.into_iter().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        self.act(&strokes.collect());
    }

    fn act(&self, strokes: &Value) {
        self.ask("actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] }));
    }

    /// Sends a command of the developer tools.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// What the console has said since it was asked last, and what the policy has forbidden; expected words left out.
    pub(crate) fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let log = self.ask("se/log", &json!({ "type": "browser" }));
        let said = log.as_array().into_iter().flatten().filter_map(|line| line["message"].as_str().map(str::to_owned));
        let violations = self.run("return window.violations");
        let forbidden = violations.as_array().expect("a page that is watched").iter().map(ToString::to_string);
        let is_expected = |line: &String| expected.iter().any(|words| line.contains(words));
        said.chain(forbidden).filter(|line| !is_expected(line)).collect()
    }

    /// The page as it looks, as PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let taken = self.devtools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let mut decoder = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("base64 is part of every system");
        let mut input = decoder.stdin.take().expect("its input");
        let text = taken["data"].as_str().expect("a picture").to_owned();
        let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let picture = decoder.wait_with_output().expect("a picture").stdout;
        writer.join().expect("no panic").expect("written");
        picture
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        let answer = self.call("POST", &format!("/session/{}/{what}", self.session), body);
        assert!(answer.get("error").is_none(), "{what} {body}: {answer}");
        answer
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the driver");
        stream.set_read_timeout(Some(ANSWER)).expect("a limit");
        let (body, port) = (body.to_string(), self.port);
        let len = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
        )
        .expect("sent");
        // The driver leaves connections open, whatever it is told.
        let mut answer = BufReader::new(stream);
        let head: Vec<String> =
            answer.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let length = |line: &String| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
        let mut body = vec![0; head.iter().find_map(length).expect("a length")];
        answer.read_exact(&mut body).expect("an answer");
        let mut told: Value = serde_json::from_slice(&body).expect("JSON");
        told["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", "--", &format!("-{}", self.driver.id())]).status();
        let _ = self.driver.wait();
    }
}
