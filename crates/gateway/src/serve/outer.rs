//! What every request passes on its way in, and every answer on its way out.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::guard::{self, Hosts};
use super::metrics::Counted;
use super::recent::Recent;
use super::{framing, problem};

/// What is there for all routes.
#[derive(Debug)]
pub(super) struct Outer {
    pub(super) hosts: Hosts,
    /// Where it is told what the server fails at.
    pub(super) recent: Option<Recent>,
}

impl Outer {
    /// `routes`, behind this.
    ///
    /// One layer around all, where each route of axum would have had a stack of layers of its own, of which a request copies
    /// those that are further in at each layer: that took as long as a cached answer.
    pub(super) fn around(self, routes: Router) -> Router {
        Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(Arc::new(self), pass))
    }
}

async fn pass(State(outer): State<Arc<Outer>>, request: Request, next: Next) -> Response {
    let (counted, target) = (Counted::begin(&request), request.uri().clone());
    let refusal = guard::refusal(&outer.hosts, request.headers()).or_else(|| framing::refusal(&request));
    let mut response = match refusal {
        None => problem::contained(next.run(request)).await,
        Some(refusal) => refusal,
    };
    guard::complete(response.headers_mut());
    if let Some(recent) = &outer.recent {
        recent.note(target.path(), &response);
    }
    counted.end(response.status());
    response
}
