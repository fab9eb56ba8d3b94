use http::HeaderMap;

/// Request headers that a service copies to the calls it makes on behalf of a request.
///
/// The mesh's proxies see each hop alone; only the application can tie an outgoing call to the
/// incoming one. One tracing system needs only its own few of these.
pub const FORWARDED: [&str; 22] = [
    "x-request-id",
    // W3C Trace Context.
    "traceparent",
    "tracestate",
    // Zipkin's B3, many headers or one.
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    // Lightstep, Datadog, Google Cloud, OpenCensus, SkyWalking.
    "x-ot-span-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-sampled",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "sw8",
    // Who asks: routes by user and request authentication look at these.
    "end-user",
    "user-agent",
    "cookie",
    "authorization",
    "jwt",
];

/// Copies the headers of [`FORWARDED`] that `incoming` has, with all their values.
#[must_use]
pub fn forward(incoming: &HeaderMap) -> HeaderMap {
    let mut outgoing = HeaderMap::with_capacity(8);
    for name in FORWARDED {
        for value in incoming.get_all(name) {
            outgoing.append(name, value.clone());
        }
    }
    outgoing
}

#[cfg(test)]
mod tests;
