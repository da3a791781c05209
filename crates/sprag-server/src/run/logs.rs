//! Logging: to standard error, filtered, as text or JSON.

use std::io::{self, IsTerminal as _, Write};

use sprag::clock::{Clock as _, SystemClock};
use sprag::security;
use sprag::text::{shown, shown_json};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

use crate::config::{Config, LogFormat};
use crate::moment::rfc3339;

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
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&config.logs.filter)?);
    let of_security = filter_fn(|metadata| metadata.target() == security::TARGET);
    let of_all_else = filter_fn(|metadata| metadata.target() != security::TARGET && may_be_logged(metadata));
    let layers = output(config.logs.format, true).with_filter(of_security);
    let layers = layers.and_then(output(config.logs.format, false).with_filter(of_all_else));
    registry().with(layers.with_filter(filter)).try_init()?;
    for told in config.old_names() {
        tracing::warn!("{told}");
    }
    Ok(Filter(handle))
}

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
        if text.is_ascii() {
            return self.out.write_all(line);
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

/// Whatever filter is asked for, the crates below speak only of what went wrong: at finer levels they show what
/// goes over the wire, and that has tokens in it.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("sprag") || *metadata.level() <= Level::WARN
}

#[cfg(test)]
mod tests {
    use super::*;

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
