//! What is traced of a request: what was asked, and what came of it; never who asked, nor what they sent.
//!
//! Where nobody listens nothing is made: `SPRAG_LOG=debug` listens, and so does a collector (`otlp-endpoint`).

use axum::response::Response;
use sprag::ratchet::Row;
use sprag::security::Asked;
use tracing::field::Empty;
use tracing::{Instrument as _, Level, Span, debug_span};

use super::trace_context::TraceParent;

/// What a filter calls the spans of requests.
pub(crate) const TARGET: &str = "sprag_server::request";

/// The span of a request, a part of `parent` where there is one.
pub(crate) fn of(action: &'static str, method: &str, asked: &Asked, parent: Option<TraceParent>) -> Span {
    let span = debug_span!(
        target: TARGET,
        "request",
        otel.name = action,
        otel.kind = "server",
        otel.status_code = Empty,
        action,
        profile = &*asked.client,
        request_id = %asked.request,
        http.request.method = method,
        http.response.status_code = Empty,
        verdict = Empty,
        refusal = Empty,
    );
    if let (Some(parent), false) = (parent, span.is_disabled()) {
        go_on(&span, parent);
    }
    span
}

/// Carries something out within a span, where somebody listens.
pub(crate) async fn within<T>(span: &Span, work: impl Future<Output = T>) -> T {
    if span.is_disabled() { work.await } else { work.instrument(span.clone()).await }
}

/// Notes the row of the verdict table that decided.
pub(crate) fn decided(row: Row) {
    if tracing::span_enabled!(target: TARGET, Level::DEBUG) {
        Span::current().record("verdict", row.name());
    }
}

/// Notes what came of it.
pub(crate) fn answered(span: &Span, response: &Response, code: Option<&'static str>) {
    if span.is_disabled() {
        return;
    }
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if let Some(code) = code {
        span.record("refusal", code);
    }
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

#[cfg(feature = "otel")]
fn go_on(span: &Span, parent: TraceParent) {
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    let flags = if parent.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let trace = TraceId::from_bytes(parent.trace.0.to_be_bytes());
    let (of, state) = (SpanId::from_bytes(parent.span.to_be_bytes()), TraceState::default());
    let context = SpanContext::new(trace, of, flags, true, state);
    // Where no collector listens there is nothing to hang it on to.
    let _ = span.set_parent(Context::new().with_remote_span_context(context));
}

#[cfg(not(feature = "otel"))]
fn go_on(_: &Span, _: TraceParent) {}
