use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    handler::Handler,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use prometheus_client::registry::Registry;

use crate::{
    env::Env,
    metrics::{Metrics, RouteMetrics, method_label},
};

/// Response header with `service version pod`, one value per service that took part in the answer.
pub const SERVED_BY: HeaderName = HeaderName::from_static("bookinfo-served-by");

/// The largest request body that a service reads, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Who this process is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The service's name, such as `reviews`.
    pub service: &'static str,
    /// `SERVICE_VERSION`; `v1` when unset.
    pub version: String,
    /// The pod's name, which Kubernetes gives as `HOSTNAME`.
    pub pod: Option<String>,
}

impl Identity {
    /// Reads version and pod from the environment.
    #[must_use]
    pub fn read(service: &'static str, env: &Env<'_>) -> Self {
        Self { service, version: env.text("SERVICE_VERSION", "v1"), pod: env.get("HOSTNAME") }
    }

    /// The value of [`SERVED_BY`]. What a header cannot carry is left out.
    fn served_by(&self) -> HeaderValue {
        let text = format!("{} {} {}", self.service, self.version, self.pod.as_deref().unwrap_or("-"));
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(self.service))
    }
}

/// A service before it listens: its routes, with `/metrics` and the counting already around them.
pub struct App {
    router: Router,
    metrics: Metrics,
    served_by: HeaderValue,
    draining: Arc<AtomicBool>,
}

impl App {
    /// A service with `/metrics` and nothing else; unknown paths answer 404.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        let app = Self {
            router: Router::new(),
            metrics: Metrics::new(),
            served_by: identity.served_by(),
            draining: Arc::default(),
        };
        let metrics = app.metrics.clone();
        let not_found = app.watched("other", any(|| async { (StatusCode::NOT_FOUND, "Not found\n") }));
        let app = app.route("/metrics", get(move || async move { render(&metrics) }));
        Self { router: app.router.fallback_service(not_found), ..app }
    }

    /// Adds a route; `path` is also its label in the metrics.
    #[must_use]
    pub fn route(self, path: &'static str, handler: MethodRouter) -> Self {
        let handler = self.watched(path, handler);
        Self { router: self.router.route(path, handler), ..self }
    }

    /// Adds `/health`, which fails while the process stops, so that no new traffic is sent here.
    #[must_use]
    pub fn health<H: Handler<T, ()>, T: 'static>(self, handler: H) -> Self {
        let draining = Arc::clone(&self.draining);
        let gate = middleware::from_fn(move |request: Request, next: Next| {
            let stopping = draining.load(Ordering::Relaxed);
            async move {
                if stopping {
                    return json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"stopping"}"#.to_owned());
                }
                next.run(request).await
            }
        });
        self.route("/health", get(handler).layer(gate))
    }

    /// Adds metrics of the service's own.
    #[must_use]
    pub fn register(self, add: impl FnOnce(&mut Registry)) -> Self {
        self.metrics.register(add);
        self
    }

    /// The routes, and the switch that turns the service to "stopping".
    pub(crate) fn into_parts(self) -> (Router, Arc<AtomicBool>) {
        (self.router.layer(DefaultBodyLimit::max(BODY_LIMIT)), self.draining)
    }

    /// Wraps a route with counting and with the headers that every response has.
    fn watched(&self, route: &'static str, handler: MethodRouter) -> MethodRouter {
        let watch = Watch {
            metrics: self.metrics.of_route(route),
            served_by: self.served_by.clone(),
            draining: Arc::clone(&self.draining),
        };
        handler.layer(middleware::from_fn_with_state(Arc::new(watch), observe))
    }
}

/// A JSON response.
#[must_use]
pub fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

struct Watch {
    metrics: RouteMetrics,
    served_by: HeaderValue,
    draining: Arc<AtomicBool>,
}

async fn observe(State(watch): State<Arc<Watch>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method_label(request.method());
    let path = tracing::enabled!(tracing::Level::DEBUG).then(|| request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let (code, took) = (response.status().as_u16(), started.elapsed());
    watch.metrics.count(method, code, took);
    if let Some(path) = path {
        tracing::debug!(method, path, code, micros = took.as_micros(), "answered");
    }
    // An own value goes first: the hops read from the nearest to the farthest.
    let further: Vec<HeaderValue> = response.headers().get_all(SERVED_BY).iter().cloned().collect();
    response.headers_mut().insert(SERVED_BY, watch.served_by.clone());
    for value in further {
        response.headers_mut().append(SERVED_BY, value);
    }
    if watch.draining.load(Ordering::Relaxed) {
        // Moves callers with kept connections to another pod before this one closes them.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn render(metrics: &Metrics) -> Response {
    match metrics.render() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics: {error}")).into_response(),
    }
}

#[cfg(test)]
mod tests;
