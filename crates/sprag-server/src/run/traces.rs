//! Traces: a span for each request, sent to a collector by OTLP over HTTP, where `otlp-endpoint` names one and this build
//! can (the Cargo feature `otel`, which packages have).

use tracing::Subscriber;
use tracing_subscriber::Layer;

use crate::config::Config;

/// Traces under way. Dropped, it sends what has not been sent yet.
#[derive(Debug, Default)]
pub struct Traces {
    #[cfg(feature = "otel")]
    provider: Option<opentelemetry_sdk::trace::SdkTracerProvider>,
}

/// A layer that sends the spans of requests to the collector, if there is one.
pub(super) type Boxed<S> = Option<Box<dyn Layer<S> + Send + Sync>>;

/// What sends spans to the collector that is set, if one is.
///
/// # Errors
/// One is set, and this build cannot.
#[cfg(not(feature = "otel"))]
pub(super) fn layer<S: Subscriber>(config: &Config) -> anyhow::Result<(Boxed<S>, Traces)> {
    if config.monitoring.otlp_endpoint.is_some() {
        anyhow::bail!(
            "otlp-endpoint is set, and this build cannot send traces; leave the setting out, or take a build with the Cargo \
             feature otel, as the packages have it"
        );
    }
    Ok((None, Traces::default()))
}

/// What sends spans to the collector that is set, if one is.
///
/// # Errors
/// The client that sends them cannot be made.
#[cfg(feature = "otel")]
pub(super) fn layer<S>(config: &Config) -> anyhow::Result<(Boxed<S>, Traces)>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    use anyhow::Context as _;
    use opentelemetry::KeyValue;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing::level_filters::LevelFilter;
    use tracing_subscriber::filter::filter_fn;

    use crate::edge::span;
    use crate::metrics::VERSION;

    let Some(endpoint) = &config.monitoring.otlp_endpoint else { return Ok((None, Traces::default())) };
    let to = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let exporter = exporter.with_endpoint(to).with_timeout(SENT_WITHIN).build();
    let exporter = exporter.with_context(|| format!("could not prepare to send traces to {endpoint}"))?;
    // Empty, for it would look into the environment, which is read in one place only.
    let about = [KeyValue::new("service.name", "sprag"), KeyValue::new("service.version", VERSION)];
    let resource = Resource::builder_empty().with_attributes(about).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let traced = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("sprag"))
        .with_location(false)
        .with_threads(false)
        .with_level(false);
    // Of its own: without it, every span of the crates below would go out too, whatever the log says.
    let of_requests = filter_fn(|metadata| metadata.is_span() && metadata.target() == span::TARGET);
    let of_requests = of_requests.with_max_level_hint(LevelFilter::DEBUG);
    Ok((Some(traced.with_filter(of_requests).boxed()), Traces { provider: Some(provider) }))
}

/// How long sending some spans may take.
#[cfg(feature = "otel")]
const SENT_WITHIN: std::time::Duration = std::time::Duration::from_secs(3);

impl Drop for Traces {
    /// Sends what has not been sent yet, on a thread of its own that is waited for.
    fn drop(&mut self) {
        #[cfg(feature = "otel")]
        if let Some(provider) = &self.provider
            && let Err(error) = provider.shutdown_with_timeout(SENT_WITHIN)
        {
            tracing::warn!(%error, "the last traces were not sent to the collector");
        }
    }
}
