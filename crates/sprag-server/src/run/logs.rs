//! Logging: to standard error, filtered, as text or JSON.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};

use sprag::clock::{Clock as _, SystemClock};
use sprag::security::{self, Asked};
use sprag::text::{shown, shown_json};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

use crate::config::{Config, LogFormat};
use crate::edge::span;
use crate::moment::rfc3339;
use crate::run::traces::{self, Traces};

/// What is logged, which can be changed while a server runs.
#[derive(Clone, Debug)]
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Logs what that configuration says from now on.
    ///
    /// # Errors
    /// Logging has ended.
    pub fn change(&self, config: &Config) -> anyhow::Result<()> {
        Ok(self.0.reload(EnvFilter::try_new(&config.logs.filter)?)?)
    }
}

/// Starts logging as `config` says, with what is to be said of names that were given.
///
/// # Errors
/// Logging was started before.
pub fn start(config: &Config) -> anyhow::Result<Filter> {
    start_with(config, None)
}

/// Starts logging, and traces where somebody collects them: for whoever serves.
///
/// # Errors
/// Logging was started before, or traces are wanted that this build cannot send.
pub fn start_traced(config: &Config) -> anyhow::Result<(Filter, Traces)> {
    let (traced, traces) = traces::layer(config)?;
    Ok((start_with(config, traced)?, traces))
}

fn start_with(config: &Config, traced: traces::Boxed<Logged>) -> anyhow::Result<Filter> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&config.logs.filter)?);
    let of_security = filter_fn(|metadata| matches!(metadata.target(), security::TARGET | span::TARGET));
    let of_all_else = filter_fn(|metadata| metadata.target() != security::TARGET && may_be_logged(metadata));
    let layers = output(config.logs.format, true).with_filter(of_security);
    let layers = layers.and_then(output(config.logs.format, false).with_filter(of_all_else));
    let layers: Box<dyn Layer<Registry> + Send + Sync> = layers.with_filter(filter).boxed();
    registry().with(layers).with(traced).try_init()?;
    for told in config.old_names() {
        tracing::warn!("{told}");
    }
    Ok(Filter(handle))
}

/// What logs, which traces come on top of.
type Logged = Layered<Box<dyn Layer<Registry> + Send + Sync>, Registry>;

/// Lines for people say by their target which are the security log's.
fn output<S>(format: LogFormat, is_of_security: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let output = fmt::layer().with_timer(ToTheMillisecond);
    match format {
        LogFormat::Json => {
            output.json().with_writer(|| Readable { out: io::stderr(), is_json: true }).boxed()
        }
        LogFormat::Text => output
            .with_ansi(io::stderr().is_terminal())
            .with_target(is_of_security)
            .with_writer(|| Readable { out: io::stderr(), is_json: false })
            .boxed(),
    }
}

/// The moment of a line, written as every moment is.
struct ToTheMillisecond;

impl FormatTime for ToTheMillisecond {
    fn format_time(&self, line: &mut Writer<'_>) -> std::fmt::Result {
        line.write_str(&rfc3339(SystemClock.now()))
    }
}

/// A line of the log as a person may read it: whoever's text is in it, it turns nothing around and begins no line. Colours
/// pass: what is in a field cannot bring them, for the formatter escapes it.
struct Readable<W> {
    out: W,
    is_json: bool,
}

impl<W: Write> Write for Readable<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    /// The formatter writes each line in one go, so that no character is cut in two.
    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        let Ok(text) = std::str::from_utf8(line) else { return self.out.write_all(line) };
        let named = self.named(text);
        let text = named.as_deref().unwrap_or(text);
        if text.is_ascii() {
            return self.out.write_all(text.as_bytes());
        }
        let kept = |c: char| c.is_ascii();
        let readable: String = text
            .split_inclusive(|c| !kept(c))
            .map(|part| match part.chars().next_back() {
                Some(last) if !kept(last) => {
                    let (ascii, odd) = part.split_at(part.len() - last.len_utf8());
                    format!("{ascii}{}", if self.is_json { shown_json(odd) } else { shown(odd) })
                }
                _ => part.to_owned(),
            })
            .collect();
        self.out.write_all(readable.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W> Readable<W> {
    /// A line with the name of the request that is carried out where it is written, if one is.
    fn named(&self, line: &str) -> Option<String> {
        let Asked { request, trace, .. } = security::asked()?;
        let mut named = String::with_capacity(line.len() + 96);
        // Writing into memory does not fail.
        let line = line.trim_end_matches('\n');
        let _ = match (self.is_json.then(|| line.strip_suffix('}')).flatten(), trace) {
            (Some(rest), None) => writeln!(named, "{rest},\"request_id\":\"{request}\"}}"),
            (Some(rest), Some(trace)) => {
                writeln!(named, "{rest},\"request_id\":\"{request}\",\"trace_id\":\"{trace}\"}}")
            }
            (None, None) => writeln!(named, "{line} request_id={request}"),
            (None, Some(trace)) => writeln!(named, "{line} request_id={request} trace_id={trace}"),
        };
        Some(named)
    }
}

/// Whatever filter is asked for, the crates below speak only of what went wrong: at finer levels they show what
/// goes over the wire, and that has tokens in it.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("sprag") || *metadata.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    use sprag::security::{RequestId, TraceId};

    use super::*;

    #[tokio::test]
    async fn a_line_that_is_written_for_a_request_names_it_and_its_trace() {
        let written = async |is_json, line: &str, trace| {
            let request = RequestId::Made(0x1f);
            let asked = Asked { client: "sprag".into(), request, trace, is_sampled: false };
            let mut out = Vec::new();
            let write = async { Readable { out: &mut out, is_json }.write_all(line.as_bytes()).unwrap() };
            security::asked_by(asked, write).await;
            String::from_utf8(out).unwrap()
        };
        let (text, json) = ("WARN not done\n", "{\"level\":\"WARN\"}\n");
        assert_eq!(written(false, text, None).await, "WARN not done request_id=000000000000001f\n");
        let told = written(true, json, Some(TraceId(0xa))).await;
        let expected = r#"{"level":"WARN","request_id":"000000000000001f","trace_id":"0000000000000000000000000000000a"}"#;
        assert_eq!(told.trim_end(), expected);
    }

    #[test]
    fn a_strangers_text_turned_a_line_of_the_log_around() {
        let line = "\u{1b}[32mINFO\u{1b}[0m agent=é\u{202e}x\u{2028}y\u{85}z\n";
        for (is_json, expected) in [
            (false, "\u{1b}[32mINFO\u{1b}[0m agent=é�x�y�z\n"),
            (true, "\u{1b}[32mINFO\u{1b}[0m agent=é\\u202ex\\u2028y\\u0085z\n"),
        ] {
            let mut out = Vec::new();
            Readable { out: &mut out, is_json }.write_all(line.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
