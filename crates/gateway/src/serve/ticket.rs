//! `Tickets`: the right to play one address for a while, for players that send no token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{Method, StatusCode};
use cache_core::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::routes::Server;
use crate::config::Secret;

/// How long a ticket lets somebody begin to read; what is being read then is read on.
const LIFETIME: Duration = Duration::from_hours(1);
/// The same for what is on a playlist: a player asks for no other ticket, and may stop in the middle of a film.
const LISTED: Duration = Duration::from_hours(6);
/// The parameter that holds it, always the last one.
const PARAMETER: &str = "ticket=";
/// The longest address that gets one, in bytes.
const LONGEST: usize = 7 << 10;
/// What the key is for, so that nothing else that is made from the same secret is a ticket.
const CONTEXT: &str = "reelcache 2026-11-22 tickets of players";

/// Makes tickets, and knows its own. Cloning shares the key.
///
/// A browser's `<video>`, and most players, send no `Authorization`. The token in an address would give all of its rights to
/// whoever sees the address, and a cookie would be sent along by everything in the browser and to every port of this host. A
/// ticket is an address with a seal: it plays what it was made for, and nothing else, until it ends. It names no user,
/// nothing keeps it, and all end with the server.
#[derive(Clone)]
pub(super) struct Tickets {
    /// None where the system gave no random secret: then there are no tickets.
    key: Option<[u8; 32]>,
    clock: Arc<dyn Clock>,
}

/// What is to be played.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Played {
    /// An address below `/play` on this server, with its query.
    #[schema(example = "/play?url=https%3A%2F%2Ffilms.example%2Fa.mp4")]
    path: String,
}

/// An address that can be played without a token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ticket {
    /// The address, with a ticket behind it.
    path: String,
    /// For how long it can be asked for.
    seconds: u64,
}

/// What the query of a request says.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    /// The address for which the ticket is good.
    Good(&'a str),
    Bad,
}

impl Tickets {
    /// Tickets that are good as long as `secret`, which is of this process alone.
    pub(super) fn new(secret: Option<&Secret>, clock: Arc<dyn Clock>) -> Self {
        Self { key: secret.map(|secret| blake3::derive_key(CONTEXT, secret.expose().as_bytes())), clock }
    }

    /// `path` with a ticket; `None` where there are no tickets.
    fn issue(&self, path: &str) -> Option<String> {
        self.issue_for(path, LIFETIME)
    }

    /// `path`, which a playlist names, with a ticket; `None` where there are no tickets.
    pub(super) fn issue_listed(&self, path: &str) -> Option<String> {
        self.issue_for(path, LISTED)
    }

    fn issue_for(&self, path: &str, lifetime: Duration) -> Option<String> {
        let ends = self.clock.now().after(lifetime);
        let seal = self.seal(path, ends)?.to_hex();
        let mark = if path.contains('?') { '&' } else { '?' };
        Some(format!("{path}{mark}{PARAMETER}{}.{seal}", ends.as_millis()))
    }

    /// Takes the ticket out of a request to play, before anybody else sees it; whether there was one.
    pub(super) fn redeem(&self, mut request: Request) -> Result<(Request, bool), Problem> {
        let target = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        if !is_below_play(request.uri().path()) || !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok((request, false));
        }
        let uri = match self.look(target) {
            Shown::Nothing => return Ok((request, false)),
            Shown::Good(path) => without_ticket(request.uri(), path),
            Shown::Bad => None,
        };
        *request.uri_mut() = uri.ok_or_else(|| {
            let told = "the ticket has ended, or is for another address: have another made by POST /api/play-ticket";
            Problem::new(StatusCode::FORBIDDEN, told)
        })?;
        Ok((request, true))
    }

    fn seal(&self, path: &str, ends: Timestamp) -> Option<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(self.key.as_ref()?);
        hasher.update(&ends.as_millis().to_le_bytes()).update(path.as_bytes());
        Some(hasher.finalize())
    }

    /// What the last parameter of `target` is.
    fn look<'a>(&self, target: &'a str) -> Shown<'a> {
        let Some((front, ticket)) = target.rsplit_once(PARAMETER) else { return Shown::Nothing };
        // A question mark behind the first one is part of what is played.
        let path = match front.strip_suffix('?') {
            Some(path) => Some(path).filter(|path| !path.contains('?')),
            None => front.strip_suffix('&').filter(|path| path.contains('?')),
        };
        match path {
            None => Shown::Nothing,
            Some(path) if self.is_good(path, ticket) => Shown::Good(path),
            Some(_) => Shown::Bad,
        }
    }

    fn is_good(&self, path: &str, ticket: &str) -> bool {
        let Some((ends, given)) = ticket.split_once('.') else { return false };
        let (Ok(millis), Ok(given)) = (ends.parse(), blake3::Hash::from_hex(given)) else { return false };
        let ends = Timestamp::from_millis(millis);
        // Hashes are compared in constant time. The time is asked for last: how a seal is wrong is nobody's to learn.
        self.seal(path, ends).is_some_and(|seal| seal == given) && self.clock.now() < ends
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").field("exist", &self.key.is_some()).finish_non_exhaustive()
    }
}

/// `POST /api/play-ticket {"path": "/play?..."}`: needs what playing needs, and gives what a player without a token plays.
#[utoipa::path(
    post,
    path = "/api/play-ticket",
    tag = "play",
    request_body(content = Played),
    responses((status = 200, description = "The address that can be played without a token, and for how long", body = Ticket), Problem)
)]
pub(super) async fn issue(
    State(server): State<Server>,
    wanted: Result<Json<Played>, JsonRejection>,
) -> Result<Json<Ticket>, Problem> {
    let Json(Played { path }) = wanted?;
    if !is_played(&path) {
        return Err(Problem::bad_request("a ticket is for an address of this server that begins with /play"));
    }
    let issued = server.tickets.issue(&path).ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the system gave no random key: players have to send the token")
    })?;
    Ok(Json(Ticket { path: issued, seconds: LIFETIME.as_secs() }))
}

/// `uri` with `path`, which is its own up to the ticket.
fn without_ticket(uri: &Uri, path: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Whether `path`, with a query or without, is what a ticket is made for.
fn is_played(path: &str) -> bool {
    let read = path.parse::<PathAndQuery>();
    // Read as it was written: what a reader changes, such as a fragment that it drops, would not be what was sealed.
    let is_whole = read.as_ref().is_ok_and(|read| read.as_str() == path && is_below_play(read.path()));
    is_whole && path.len() <= LONGEST
}

fn is_below_play(path: &str) -> bool {
    path == "/play" || path.starts_with("/play/")
}

#[cfg(test)]
mod tests {
    use cache_core::ManualClock;
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const PATH: &str = "/play?url=https%3A%2F%2Ffilms.example%2Fa.mp4";

    fn tickets() -> (Arc<ManualClock>, Tickets) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
        (clock.clone(), Tickets::new(Some(&Secret::new(SECRET).unwrap()), clock))
    }

    #[test]
    fn a_ticket_is_good_for_its_address_until_it_ends() {
        let (clock, tickets) = tickets();
        for path in [PATH, "/play/movie/tt1/0", "/play?url=a&download=1", "/play?url=https://films.example/a?ticket=1"]
        {
            let issued = tickets.issue(path).unwrap();
            assert_eq!(tickets.look(&issued), Shown::Good(path));
            assert_eq!(tickets.look(path), Shown::Nothing);
            let last = clock.now().after(LIFETIME).as_millis() - 1;
            clock.set(Timestamp::from_millis(last));
            assert_eq!(tickets.look(&issued), Shown::Good(path));
            clock.advance(Duration::from_millis(1));
            assert_eq!(tickets.look(&issued), Shown::Bad, "it has ended, though it was good before");
        }
    }

    #[test]
    fn a_ticket_of_another_address_time_or_server_is_none() {
        let (clock, tickets) = tickets();
        let issued = tickets.issue(PATH).unwrap();
        let (_, ticket) = issued.rsplit_once("ticket=").unwrap();
        let (ends, seal) = ticket.split_once('.').unwrap();
        for forged in [
            format!("/play?url=https%3A%2F%2Ffilms.example%2Fb.mp4&ticket={ticket}"),
            format!("{PATH}&download=1&ticket={ticket}"),
            format!("/play/movie/tt1/0?ticket={ticket}"),
            format!("{PATH}&ticket={}.{seal}", ends.parse::<u64>().unwrap() + 1),
            format!("{PATH}&ticket=+{ends}.{}", "0".repeat(64)),
            format!("{PATH}&ticket={ends}.{}", &seal[1..]),
            format!("{PATH}&ticket={ends}"),
            format!("{PATH}&ticket="),
            format!("{issued}&ticket={ticket}"),
        ] {
            assert_eq!(tickets.look(&forged), Shown::Bad, "{forged}");
        }
        assert_eq!(tickets.look(&format!("{issued}&download=1")), Shown::Bad);
        let other = Tickets::new(Some(&Secret::new("another-secret-of-another-server").unwrap()), clock.clone());
        assert_eq!(other.look(&issued), Shown::Bad);
        let none = Tickets::new(None, clock);
        assert_eq!((none.issue(PATH), none.look(&issued)), (None, Shown::Bad));
    }

    #[test]
    fn only_what_is_played_gets_a_ticket() {
        for path in [PATH, "/play", "/play/movie/tt1/0", "/play/series/tt1/0/1/2?download=1"] {
            assert!(is_played(path), "{path}");
        }
        let long = format!("/play?url={}", "a".repeat(LONGEST));
        for path in [
            "",
            "play",
            "/player",
            "/%70lay",
            "/api/entries",
            "/playlist",
            "https://films.example/play",
            "//films.example/play",
            "/play?a#b",
            "/play\r\nX: y",
            "/play?a b",
            &long,
        ] {
            assert!(!is_played(path), "{path}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let (_, tickets) = tickets();
        assert_eq!(format!("{tickets:?}"), "Tickets { exist: true, .. }");
    }

    proptest! {
        #[test]
        fn no_text_but_what_was_issued_is_a_ticket(text in "/play[?&=.a-z0-9]{0,80}", at in 0..200_usize, to in "[0-9a-f&.]") {
            let (_, tickets) = tickets();
            prop_assert!(!matches!(tickets.look(&text), Shown::Good(_)));
            let issued = tickets.issue(PATH).unwrap();
            let mut changed = issued.clone();
            let at = at % issued.len();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(matches!(tickets.look(&changed), Shown::Good(_)), changed == issued);
        }
    }
}
