//! What every request passes on its way in, and every answer on its way out.

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::guard::{self, Hosts};
use super::metrics::Counted;
use super::recent::Recent;
use super::{framing, problem};

/// Answers requests by its routes.
///
/// It stands around all of them and is none of axum's layers: a request copies the routes and what is further in at each
/// layer, which took as long as a cached answer.
#[derive(Debug)]
pub(super) struct Outer {
    hosts: Hosts,
    /// Where it is told what the server fails at.
    recent: Option<Recent>,
    routes: TowerToHyperService<Router>,
}

impl Outer {
    /// Around `routes`; `recent` is told what fails.
    pub(super) fn new(hosts: Hosts, recent: Option<Recent>, routes: Router) -> Self {
        Self { hosts, recent, routes: TowerToHyperService::new(routes) }
    }

    /// What `request` is answered. Dropping the future ends what answers it.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let (counted, target) = (Counted::begin(&request), request.uri().clone());
        let refusal = guard::refusal(&self.hosts, request.headers()).or_else(|| framing::refusal(&request));
        let mut response = match refusal {
            None => problem::contained(self.routed(request)).await,
            Some(refusal) => refusal,
        };
        guard::complete(response.headers_mut());
        if let Some(recent) = &self.recent {
            recent.note(target.path(), &response);
        }
        counted.end(response.status());
        response
    }

    async fn routed(&self, request: Request) -> Response {
        match self.routes.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}
