//! A server of files and of one page, in a process of its own: the origin of what is cached, and the alternatives to it in Rust.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tower_http::services::ServeDir;

/// What has this program be the site.
pub(crate) const COMMAND: &str = "serve-site";

/// How long it takes the site to say what is in a film, in milliseconds: long enough for a crowd to gather.
const THINKING: Duration = Duration::from_secs(3);

/// What the site says of its only film.
const FILM: &str = r#"{"files":[{"name":"film.mp4","format":"MPEG4","size":"1000","length":"62.5"}],"metadata":{"identifier":"moon","title":"Moon"}}"#;

/// Serves the folder and the body that `args` name until the process is killed; its address is the first line that it prints.
///
/// `/files/` is the folder, `/constant` the body as JSON, `/metadata/ID` a film, `/asked` how often it was asked for one.
pub(crate) fn serve(mut args: impl Iterator<Item = String>) -> ExitCode {
    let (folder, body) = (args.next().expect("a folder"), args.next().expect("a file"));
    let body = bytes::Bytes::from(std::fs::read(body).expect("a body"));
    let asked = Arc::new(AtomicU64::new(0));
    let (asking, told) = (asked.clone(), asked);
    let router = Router::new()
        .nest_service("/files", ServeDir::new(folder))
        .route("/constant", get(move || async move { ([(CONTENT_TYPE, "application/json")], body) }))
        .route("/asked", get(move || async move { told.load(Ordering::SeqCst).to_string() }))
        .route(
            "/metadata/{id}",
            get(move || async move {
                asking.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(THINKING).await;
                ([(CONTENT_TYPE, "application/json")], FILM)
            }),
        );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let mut out = std::io::stdout();
        writeln!(out, "http://{}", listener.local_addr().expect("an address")).expect("a reader");
        axum::serve(listener, router).await.expect("a server");
    });
    ExitCode::SUCCESS
}
