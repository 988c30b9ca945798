//! Answers of a server: read within limits, refusals told apart.

use std::error::Error as StdError;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Retry};
use reqwest::Response;
use reqwest::header::{DATE, RETRY_AFTER};

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It may be there next time.
    Passing(Trouble),
    /// It will not.
    Final(Error),
}

/// What passes.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) what: String,
    /// For how long the server wants to be left alone.
    pub(super) pause: Option<Duration>,
    pub(super) is_late: bool,
}

impl Trouble {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), pause: None, is_late: false }
    }

    pub(super) fn late(limit: Duration) -> Self {
        Self { is_late: true, ..Self::new(format!("did not answer within {limit:?}")) }
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Passing(trouble)
    }
}

/// A request or an answer that was not completed. The address is not shown: it may hold a secret.
pub(super) fn broken(error: &reqwest::Error) -> Refusal {
    let mut deepest: &(dyn StdError + 'static) = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let what = if error.is_connect() { "cannot be reached" } else { "broke the connection" };
    // The outermost error shows the address; the cause of a failed request does not.
    let cause = if deepest.is::<reqwest::Error>() { String::new() } else { format!(": {deepest}") };
    Trouble::new(format!("{what}{cause}")).into()
}

/// The body of `response`, of at most `max` bytes.
pub(super) async fn read(mut response: Response, max: usize) -> Result<Vec<u8>, Refusal> {
    refusal(&response)?;
    let too_long = || {
        let message = format!("answers with more than {max} bytes: ask for less at once or allow more");
        Refusal::Final(Error::new(ErrorKind::Load, message))
    };
    if response.content_length().is_some_and(|promised| promised > max as u64) {
        return Err(too_long());
    }
    // A promised length is not room that is made ahead: it may be a lie.
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + piece.len() > max {
            return Err(too_long());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn refusal(response: &Response) -> Result<(), Refusal> {
    let status = response.status().as_u16();
    let lasting = |kind, what: &str| {
        let error = Error::new(kind, format!("answered {status}: {what}")).with_retry(Retry::Never);
        Err(Refusal::Final(error))
    };
    match status {
        200..=299 => Ok(()),
        300..=399 => lasting(ErrorKind::Unavailable, "it redirects: give the address that it redirects to"),
        401 | 403 => lasting(ErrorKind::Unavailable, "it does not accept the key: check it"),
        404 | 405 => lasting(ErrorKind::Unavailable, "it knows no such path or model: check both"),
        413 => lasting(ErrorKind::Load, "the question is too long for it"),
        408 | 429 | 500..=599 => {
            let pause = pause(response);
            let wants = pause.map_or_else(String::new, |pause| format!(", to be left alone for {} s", pause.as_secs()));
            Err(Trouble { pause, ..Trouble::new(format!("answered {status}{wants}")) }.into())
        }
        _ => lasting(ErrorKind::Load, "it refuses the question"),
    }
}

/// What `Retry-After` says, in seconds or as a date; a day at most.
fn pause(response: &Response) -> Option<Duration> {
    let header = |name| response.headers().get(name)?.to_str().ok().map(str::trim);
    let told = header(RETRY_AFTER)?;
    let pause = if let Ok(seconds) = told.parse() {
        Duration::from_secs(seconds)
    } else {
        // By the clock that set the date.
        let now = httpdate::parse_http_date(header(DATE)?).ok()?;
        httpdate::parse_http_date(told).ok()?.duration_since(now).ok()?
    };
    Some(pause.min(Duration::from_hours(24)))
}
