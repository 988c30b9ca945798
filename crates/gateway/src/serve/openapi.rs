//! The description of the interface, and a page that shows it.

pub(super) mod answers;

use std::fmt::Write;

use axum::Router;
use axum::http::header::{self, HeaderValue};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use utoipa::openapi::path::{Operation, Parameter, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document, RefOr};
use utoipa::{Modify, OpenApi};

use super::admin::{caches, config, entries, events, jobs, upkeep};
use super::problem::Problem;
use super::routes::Server;
use super::{artifacts, metrics, play, ready, search, stream, ticket, videos};

/// Everything that the server answers but its pages.
#[derive(OpenApi)]
#[openapi(
    info(title = "Reelcache", description = "A read-through cache for media: links, films and what is made of them."),
    paths(
        entries::list,
        entries::get,
        entries::explain,
        entries::clear,
        upkeep::sweep,
        upkeep::verify,
        upkeep::warm,
        upkeep::popular,
        config::show,
        config::stats,
        caches::show,
        config::act,
        jobs::list,
        jobs::get,
        jobs::cancel,
        events::listen,
        metrics::scrape,
        ready::health,
        ready::ready,
        search::search,
        videos::providers,
        videos::get_videos,
        videos::post_videos,
        videos::report,
        artifacts::process,
        artifacts::survey,
        artifacts::keyframes,
        artifacts::frame,
        artifacts::transcript,
        artifacts::vtt,
        artifacts::srt,
        artifacts::descriptions,
        artifacts::embeddings,
        play::play,
        stream::play_title,
        ticket::issue,
    ),
    components(schemas(Problem)),
    modifiers(&Token)
)]
struct Interface;

/// Says that a token may be needed, and how it is sent.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let told = "serve.read_token for what reads, serve.admin_token for all, where the server has them.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(told)).build();
        let components = document.components.get_or_insert_with(Components::new);
        components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(scheme).into());
        // Either of them: a server of this machine alone may have no token.
        let none: [String; 0] = [];
        document.security = Some(vec![SecurityRequirement::new("token", none), SecurityRequirement::default()]);
    }
}

/// `GET /api/openapi.json` and `GET /api/docs`.
pub(super) fn routes() -> Router<Server> {
    Router::new().route("/api/openapi.json", get(document)).route("/api/docs", get(shown))
}

async fn document() -> impl IntoResponse {
    let text = Interface::openapi().to_json().unwrap_or_default();
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text)
}

async fn shown() -> Html<String> {
    Html(render(&Interface::openapi()))
}

/// The document as a page without scripts.
fn render(document: &Document) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Reelcache: its interface</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/style.css\"></head>\n\
         <body><h1>What Reelcache answers</h1>\n<p>The same for programs: \
         <a href=\"/api/openapi.json\">/api/openapi.json</a>. Where the server has tokens, one is sent as \
         <code>Authorization: Bearer TOKEN</code>.</p>\n<table><thead><tr><th scope=\"col\">request</th>\
         <th scope=\"col\">parameters</th><th scope=\"col\">answer</th></tr></thead><tbody>\n",
    );
    for (path, item) in &document.paths.paths {
        for (method, operation) in operations(item) {
            // Writing into a String does not fail.
            _ = row(&mut page, method, path, operation);
        }
    }
    page.push_str("</tbody></table></body></html>\n");
    page
}

fn row<'a>(page: &mut String, method: &str, path: &str, operation: &'a Operation) -> std::fmt::Result {
    let name = |parameter: &'a RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => Some(parameter.name.as_str()),
        RefOr::Ref(_) => None,
    };
    let names: Vec<&str> = operation.parameters.iter().flatten().filter_map(name).collect();
    let body = operation.request_body.as_ref().map_or("", |_| " and a body as JSON");
    let answer = operation.responses.responses.values().find_map(|response| match response {
        RefOr::T(response) => Some(response.description.as_str()),
        RefOr::Ref(_) => None,
    });
    writeln!(
        page,
        "<tr><th scope=\"row\"><code>{method} {}</code></th><td>{}{body}</td><td>{}</td></tr>",
        escaped(path),
        escaped(&names.join(", ")),
        escaped(answer.unwrap_or_default())
    )
}

/// The description has signs that pages give a meaning.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

/// The paths of the description with the methods of each.
#[cfg(test)]
pub(super) fn described() -> Vec<(String, Vec<&'static str>)> {
    let document = Interface::openapi();
    let paths = document.paths.paths.iter();
    paths.map(|(path, item)| (path.clone(), operations(item).map(|(method, _)| method).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_request_and_asks_nobody_else() {
        let page = render(&Interface::openapi());
        for (path, methods) in described() {
            for method in methods {
                assert!(page.contains(&format!("<code>{method} {path}</code>")), "{method} {path}");
            }
        }
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    }
}
