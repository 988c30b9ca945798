//! `Gate`: who may read the figures and who may change the cache.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::guesses::Guesses;
use crate::config::{Secret, Serve};
use crate::serve::connections::Peer;
use crate::serve::problem::Problem;
use crate::serve::ticket::Tickets;

/// How long an address waits whose guesses are used up.
const PAUSE: Duration = Duration::from_secs(6);
/// How long a request for an artifact waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Digest of a token: of one length, whatever the token's.
type Digest = [u8; 32];

/// Who may read and who may change, and how many at a time.
#[derive(Debug)]
pub(in crate::serve) struct Gate {
    /// Tokens that allow everything: the user's, and the one that only programs of this user find.
    admin: Vec<Digest>,
    read: Vec<Digest>,
    /// Whether the user has set a token: then nothing is allowed without one.
    is_closed: bool,
    /// Whether other machines can ask: then what is played needs a token, too.
    is_for_others: bool,
    turns: Arc<Semaphore>,
    /// Those of artifacts.
    reads: Arc<Semaphore>,
    guesses: Guesses,
    /// The longest body, in bytes, and the time for it to arrive.
    longest: usize,
    body_limit: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Read,
    /// To read for long, in one of few places.
    Listen,
    Admin,
}

impl Scope {
    fn of(method: &Method) -> Self {
        if method.is_safe() { Self::Read } else { Self::Admin }
    }
}

impl Gate {
    /// As `serve` says; `key` allows everything as well.
    pub(in crate::serve) fn new(serve: &Serve, key: Option<&Secret>) -> Self {
        let digest = |token: &Secret| digest(token.expose());
        let turns = usize::try_from(serve.max_admin_requests).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            admin: serve.admin_token.iter().chain(key).map(digest).collect(),
            read: serve.read_token.iter().map(digest).collect(),
            is_closed: serve.admin_token.is_some() || serve.read_token.is_some(),
            is_for_others: serve.is_for_others(),
            turns: Arc::new(Semaphore::new(turns)),
            reads: Arc::new(Semaphore::new(turns)),
            guesses: Guesses::default(),
            longest: usize::try_from(serve.max_body.0).unwrap_or(usize::MAX),
            body_limit: serve.head_timeout,
        }
    }

    /// Why `request` may not do what `scope` says, if so: at the price of a guess.
    fn check(&self, request: &Request, scope: Scope) -> Option<Problem> {
        let refusal = self.refusal(scope, request.headers())?;
        let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        if refusal.status != StatusCode::UNAUTHORIZED.as_u16() || self.guesses.take(peer) {
            return Some(refusal);
        }
        let told = "requests without a token that is known come too often from this address: wait";
        Some(Problem::new(StatusCode::TOO_MANY_REQUESTS, told).after(PAUSE))
    }

    /// `request` when its body is there, within a limit of bytes and of time.
    async fn with_body(&self, request: Request) -> Result<Request, Problem> {
        if request.body().is_end_stream() {
            return Ok(request);
        }
        let (head, body) = request.into_parts();
        match timeout(self.body_limit, to_bytes(body, self.longest)).await {
            Ok(Ok(body)) => Ok(Request::from_parts(head, Body::from(body))),
            Ok(Err(_)) => Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or ends too early")),
            Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body is too slow")),
        }
    }

    fn refusal(&self, scope: Scope, headers: &HeaderMap) -> Option<Problem> {
        match bearer(headers) {
            Some(token) => match self.scope_of(token) {
                None => Some(Problem::new(StatusCode::UNAUTHORIZED, "the token is not known here".to_owned())),
                Some(Scope::Read) if scope == Scope::Admin => {
                    Some(Problem::new(StatusCode::FORBIDDEN, "this needs the admin token".to_owned()))
                }
                Some(_) => None,
            },
            None if self.is_closed => {
                let told = "this needs a token: send `Authorization: Bearer TOKEN`".to_owned();
                Some(Problem::new(StatusCode::UNAUTHORIZED, told))
            }
            // Only programs of this machine get here: a server for others has a token.
            None if scope != Scope::Read && is_from_elsewhere(headers) => {
                let told = "a page of another origin changes nothing here, and takes no place of those who listen";
                Some(Problem::new(StatusCode::FORBIDDEN, told))
            }
            None => None,
        }
    }

    /// What a token allows. Takes the same time whichever it is.
    fn scope_of(&self, token: &str) -> Option<Scope> {
        let given = digest(token);
        let any = |known: &[Digest]| known.iter().fold(Choice::from(0), |found, known| found | known.ct_eq(&given));
        let (admin, read) = (any(&self.admin), any(&self.read));
        match (bool::from(admin), bool::from(read)) {
            (true, _) => Some(Scope::Admin),
            (false, true) => Some(Scope::Read),
            _ => None,
        }
    }
}

/// Who may play, by the gate or by a ticket.
#[derive(Debug)]
pub(in crate::serve) struct Players {
    pub(in crate::serve) gate: Arc<Gate>,
    pub(in crate::serve) tickets: Tickets,
}

impl Players {
    /// `request` without its ticket and with its body, where it may.
    async fn admitted(&self, request: Request) -> Result<Request, Problem> {
        let Self { gate, tickets } = self;
        let (request, has_ticket) = tickets.redeem(request)?;
        // A browser asks with OPTIONS before it sends the token.
        let is_open = !gate.is_for_others || has_ticket || request.method() == Method::OPTIONS;
        let refusal = if is_open { None } else { gate.check(&request, Scope::Read) };
        match refusal {
            Some(refusal) => Err(refusal),
            None => gate.with_body(request).await,
        }
    }
}

/// Lets a request through, or says why not.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if let Some(refusal) = gate.check(&request, Scope::of(request.method())) {
        return refusal.into_response();
    }
    // Before a turn is taken: whoever sends slowly keeps nobody from one.
    let request = match gate.with_body(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let Ok(turn) = gate.turns.clone().try_acquire_owned() else {
        let told = "too many requests of this kind are under way: try again".to_owned();
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, told).into_response();
    };
    in_turn(turn, next.run(request).await)
}

/// Lets a request for an artifact through when its turn has come, or says why not. There are as many turns as for [`pass`],
/// which are others: a page asks for many pictures at once, and keeps nobody from administration.
pub(super) async fn pass_artifact(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if let Some(refusal) = gate.check(&request, Scope::of(request.method())) {
        return refusal.into_response();
    }
    let Ok(Ok(turn)) = timeout(PATIENCE, gate.reads.clone().acquire_owned()).await else {
        let told = "as many artifacts are read as may be at a time: try again";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, told).into_response();
    };
    in_turn(turn, next.run(request).await)
}

/// `response`, which gives `turn` back when all is sent: an entry that is read slowly takes memory.
fn in_turn(turn: OwnedSemaphorePermit, response: Response) -> Response {
    response.map(|body| {
        Body::new(body.map_err(move |error| {
            let _held = &turn;
            error
        }))
    })
}

/// Lets a request that listens for long through, or says why not: it takes no turn. Pages of other origins could hold all
/// places that there are, although they read nothing of what is told.
pub(super) async fn pass_listener(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.check(&request, Scope::Listen) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Lets a request through that has to be answered when all turns are taken, or says why not.
pub(super) async fn pass_reader(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.check(&request, Scope::of(request.method())) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Lets a request for what is no administration through, or says why not.
pub(in crate::serve) async fn pass_player(
    State(players): State<Arc<Players>>,
    request: Request,
    next: Next,
) -> Response {
    match players.admitted(request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn digest(token: &str) -> Digest {
    *blake3::hash(token.as_bytes()).as_bytes()
}

/// The token of a request. Two headers, and another scheme, are one that nobody has.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let first = given.next()?;
    let token = first.to_str().ok().and_then(|text| text.split_once(' ')).filter(|_| given.next().is_none());
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(token.map_or("", |(_, token)| token.trim()))
}

/// Whether a browser sends it for a page that is not this server's.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    match (origin.as_ref().and_then(Uri::authority), host) {
        (Some(origin), Some(host)) => !origin.as_str().eq_ignore_ascii_case(host),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &str = "admin-admin-admin";
    const READ: &str = "reader-reader-reader";
    const KEY: &str = "key-of-this-server";

    fn answer_to(tokens: bool, scope: Scope, headers: &[(&'static str, &str)]) -> Option<u16> {
        let token = |text| tokens.then(|| Secret::new(text).unwrap());
        let serve = Serve { admin_token: token(ADMIN), read_token: token(READ), ..Serve::default() };
        let gate = Gate::new(&serve, Some(&Secret::new(KEY).unwrap()));
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        gate.refusal(scope, &headers.collect::<HeaderMap>()).map(|problem| problem.status)
    }

    fn answer(tokens: bool, method: &Method, headers: &[(&'static str, &str)]) -> Option<u16> {
        answer_to(tokens, Scope::of(method), headers)
    }

    fn with(tokens: bool, method: &Method, token: &str) -> Option<u16> {
        answer(tokens, method, &[("authorization", &format!("Bearer {token}"))])
    }

    #[test]
    fn with_tokens_nothing_goes_without_one() {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_eq!(answer(true, &method, &[]), Some(401));
            assert_eq!(with(true, &method, "something-else-entirely"), Some(401));
            assert_eq!(with(true, &method, ""), Some(401));
            assert_eq!(with(true, &method, ADMIN), None);
            assert_eq!(with(true, &method, KEY), None);
        }
        assert_eq!(with(true, &Method::GET, READ), None);
        assert_eq!(with(true, &Method::POST, READ), Some(403));
        assert_eq!(answer(true, &Method::GET, &[("authorization", &format!("Basic {ADMIN}"))]), Some(401));
    }

    #[test]
    fn without_tokens_pages_of_other_origins_change_nothing() {
        assert_eq!(answer(false, &Method::POST, &[]), None);
        assert_eq!(answer(false, &Method::GET, &[("sec-fetch-site", "cross-site")]), None);
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://films.example"),
            ("origin", "null"),
            ("origin", "http://localhost:1"),
        ] {
            let headers = [("host", "localhost:7878"), (name, value)];
            assert_eq!(answer(false, &Method::DELETE, &headers), Some(403), "{name}: {value}");
            assert_eq!(answer_to(false, Scope::Listen, &headers), Some(403), "{name}: {value}");
        }
        let own = [("host", "localhost:7878"), ("origin", "http://localhost:7878"), ("sec-fetch-site", "same-origin")];
        assert_eq!((answer(false, &Method::POST, &own), answer_to(false, Scope::Listen, &own)), (None, None));
        assert_eq!(answer_to(false, Scope::Listen, &[]), None);
        assert_eq!(with(false, &Method::POST, "a-token-nobody-set"), Some(401));
    }

    /// How far apart the times of two kinds of calls are, in standard errors (Welch's t), of `compares` calls of each in a
    /// random order. Times far above the usual are those of interruptions, and left out.
    fn t_of(compares: usize, mut first: impl FnMut(), mut second: impl FnMut()) -> f64 {
        let mut random = cache_testkit::Rng::new(27);
        let mut times = [Vec::with_capacity(compares), Vec::with_capacity(compares)];
        while times.iter().any(|times| times.len() < compares) {
            let which = random.below(2) as usize;
            let begun = std::time::Instant::now();
            if which == 0 {
                first();
            } else {
                second();
            }
            times[which].push(begun.elapsed().as_nanos() as f64);
        }
        let mut all = times.concat();
        all.sort_by(f64::total_cmp);
        let usual = all[all.len() * 9 / 10];
        let [(a, a_error), (b, b_error)] = times.map(|times| {
            let times: Vec<f64> = times.into_iter().filter(|time| *time <= usual).collect();
            let count = times.len() as f64;
            let mean = times.iter().sum::<f64>() / count;
            let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
            (mean, variance / count)
        });
        (a - b) / (a_error + b_error).sqrt()
    }

    #[test]
    fn trust_27_how_long_a_token_is_compared_says_nothing_of_how_much_of_it_is_right() {
        let serve = Serve { admin_token: Some(Secret::new(ADMIN).unwrap()), ..Serve::default() };
        let gate = Gate::new(&serve, None);
        let (almost, wrong) = (format!("{}X", &ADMIN[..ADMIN.len() - 1]), "X".repeat(ADMIN.len()));
        let ask = |token: &str| assert_eq!(std::hint::black_box(gate.scope_of(std::hint::black_box(token))), None);
        let asks = || t_of(100_000, || ask(&almost), || ask(&wrong));
        // A machine that is busy with other things shows what is not there, but not each time.
        let least = (0..5).map(|_| asks().abs()).find(|t| *t < 4.5);
        assert!(least.is_some(), "five times |t| was 4.5 or more");
        // What stops at the first difference is seen by this measure.
        let (text, one, other) = ([b'a'; 256], [b'a'; 256], [b'b'; 256]);
        let naive = |given: &[u8]| {
            assert!(text.iter().zip(std::hint::black_box(given)).take_while(|(a, b)| a == b).count() <= 256);
        };
        assert!(t_of(2_000, || naive(&one), || naive(&other)).abs() > 4.5);
    }

    #[test]
    fn debug_shows_no_token() {
        let serve = Serve { admin_token: Some(Secret::new(ADMIN).unwrap()), ..Serve::default() };
        assert!(!format!("{serve:?}").contains(ADMIN));
    }
}
