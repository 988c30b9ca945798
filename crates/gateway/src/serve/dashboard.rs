//! The dashboard: pages, scripts and style that are part of the binary.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::problem::Problem;
use super::routes::Server;

/// What the pages may do: run what is served here, ask this server, play from it, and nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; media-src 'self'; \
     require-trusted-types-for 'script'; trusted-types 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file, as it is served.
#[derive(Debug)]
struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! files {
    ($($name:literal: $content_type:expr),+ $(,)?) => {
        &[$(File { name: $name, content_type: $content_type, content: include_str!(concat!("dashboard/", $name)) }),+]
    };
}

const FILES: &[File] = files! {
    "api.js": SCRIPT,
    "charts.js": SCRIPT,
    "confirm.js": SCRIPT,
    "dom.js": SCRIPT,
    "films.js": SCRIPT,
    "format.js": SCRIPT,
    "icon.svg": "image/svg+xml",
    "jobs.js": SCRIPT,
    "main.js": SCRIPT,
    "player.js": SCRIPT,
    "recent.js": SCRIPT,
    "search.js": SCRIPT,
    "shell.js": SCRIPT,
    "sources.js": SCRIPT,
    "style.css": "text/css; charset=utf-8",
    "tiers.js": SCRIPT,
    "upkeep.js": SCRIPT,
};

/// Whoever gets at the server gets the pages: the figures on them take a token, where there is one.
pub(super) fn routes() -> Router<Server> {
    Router::new()
        .route("/", get(async || page(include_str!("dashboard/index.html"))))
        .route("/test-source-selection", get(async || page(include_str!("dashboard/sources.html"))))
        .route("/dashboard/{file}", get(file))
}

fn page(content: &'static str) -> Response {
    with_policy(HTML, content)
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|file| file.name == name) {
        Some(file) => with_policy(file.content_type, file.content),
        None => Problem::new(StatusCode::NOT_FOUND, "the dashboard has no such file").into_response(),
    }
}

fn with_policy(content_type: &'static str, content: &'static str) -> Response {
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (OPENER, HeaderValue::from_static("same-origin")),
    ];
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pages_and_scripts_name_is_served() {
        let pages = [include_str!("dashboard/index.html"), include_str!("dashboard/sources.html")];
        let of_pages = pages.iter().flat_map(|page| page.split("\"/dashboard/").skip(1)).map(|rest| (rest, '"'));
        let scripts = FILES.iter().filter(|file| file.content_type == SCRIPT);
        let of_scripts = scripts.flat_map(|file| file.content.split("from './").skip(1)).map(|rest| (rest, '\''));
        let names: Vec<&str> = of_pages.chain(of_scripts).filter_map(|(rest, end)| rest.split(end).next()).collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(FILES.iter().any(|file| file.name == name), "{name}");
        }
    }

    #[test]
    fn nothing_is_parsed_as_html() {
        let sinks =
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"];
        for file in FILES {
            assert!(sinks.iter().all(|sink| !file.content.contains(sink)), "{}", file.name);
        }
    }
}
