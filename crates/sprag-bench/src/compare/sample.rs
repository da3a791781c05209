//! One round of one build.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use sprag_testkit::binary::server::Server;
use sprag_testkit::binary::wire::Request;

use super::contender::Contender;
use crate::load::memory::Memory;
use crate::process_time::ProcessTime;
use crate::stage::Signing;

/// How often the server is asked whether the load has begun.
const LOOK: Duration = Duration::from_millis(50);

/// How long a generator may take to open its sessions.
const OPENING: Duration = Duration::from_secs(600);

/// How much longer than a round the load lasts, so that the round ends within it.
const MARGIN: Duration = Duration::from_secs(1);

/// What the server counts for each refresh that it answered.
const REFRESHED: &str = "sprag_requests_total{action=\"refresh\",status=\"200\"} ";

/// What a server is loaded with.
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) chains: usize,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) rate: Option<f64>,
}

/// What a round came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) user_micros: f64,
    pub(crate) system_micros: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_millis: f64,
    pub(crate) p99_millis: f64,
    pub(crate) p999_millis: f64,
    pub(crate) resident_mebibytes: f64,
    pub(crate) peak_mebibytes: f64,
}

impl Sample {
    /// Both kinds of processor time together.
    pub(crate) fn processor_micros(&self) -> f64 {
        self.user_micros + self.system_micros
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{:.2} µs of processor time a refresh, {:.0} rotations/s, p99 {:.2} ms",
            self.processor_micros(),
            self.per_second,
            self.p99_millis
        )
    }
}

/// Where a server stands at a moment.
struct Mark {
    at: Instant,
    time: ProcessTime,
    refreshed: u64,
}

impl Mark {
    fn of(server: &Server) -> anyhow::Result<Self> {
        let refreshed = refreshed(server)?;
        Ok(Self { at: Instant::now(), time: ProcessTime::of(server.id())?, refreshed })
    }
}

/// A generator that runs, and is ended with this.
struct Generator(Child);

impl Drop for Generator {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the build's server, loads it, and measures in the midst of the load.
pub(crate) fn take(contender: &Contender, load: &Load, signing: Signing) -> anyhow::Result<Sample> {
    let server = contender.start(signing);
    let idle = refreshed(&server)?;
    let command = load.command(contender.load(&server, signing));
    let mut generator = Generator(begin(command)?);
    await_load(&mut generator, &server, idle)?;
    sleep(load.warmup);
    let before = Mark::of(&server)?;
    sleep(load.duration);
    let after = Mark::of(&server)?;
    let memory = Memory::of(server.id())?;
    let report = report_of(generator)?;
    server.stop();
    sample(&before, &after, memory, &report)
}

impl Load {
    fn command(&self, mut command: Command) -> Command {
        // Older builds read whole seconds, as all settings are.
        let seconds = |span: Duration| format!("{}s", span.as_secs());
        command.args(["--connections", &self.connections.to_string(), "--chains", &self.chains.to_string()]);
        command.args(["--warmup", &seconds(self.warmup), "--duration", &seconds(self.duration + MARGIN)]);
        if let Some(rate) = self.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command
    }
}

fn begin(mut command: Command) -> anyhow::Result<Child> {
    let begun = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    begun.context("could not run the generator of load")
}

/// Waits until refreshes come.
fn await_load(generator: &mut Generator, server: &Server, idle: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    while refreshed(server)? == idle {
        let ended = generator.0.try_wait().context("could not look after the generator of load")?;
        ensure!(
            ended.is_none(),
            "the generator of load ended before it had begun: {}",
            complaint(&mut generator.0)
        );
        ensure!(begun.elapsed() < OPENING, "no refresh came within {} s", OPENING.as_secs());
        sleep(LOOK);
    }
    Ok(())
}

/// What the generator reports once it is done. Nothing may have failed.
fn report_of(mut generator: Generator) -> anyhow::Result<Value> {
    let text = generator.0.stdout.take().map(std::io::read_to_string).transpose();
    let text = text.context("could not read the generator's report")?.unwrap_or_default();
    let status = generator.0.wait().context("could not look after the generator of load")?;
    if !status.success() {
        bail!("a refresh failed, or the generator of load did: {text}{}", complaint(&mut generator.0));
    }
    serde_json::from_str(&text).context("could not read the generator's report")
}

fn complaint(generator: &mut Child) -> String {
    generator.stderr.take().map(std::io::read_to_string).and_then(Result::ok).unwrap_or_default()
}

fn refreshed(server: &Server) -> anyhow::Result<u64> {
    let answer = server.ask(&Request::get("/metrics"));
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    // What has not happened yet may not be listed.
    let Some(count) = text.lines().find_map(|line| line.strip_prefix(REFRESHED)) else { return Ok(0) };
    count.trim().parse().with_context(|| format!("the server counts {count:?} refreshes"))
}

#[expect(clippy::cast_precision_loss, reason = "counts of one round are far below 2^53")]
fn sample(before: &Mark, after: &Mark, memory: Memory, report: &Value) -> anyhow::Result<Sample> {
    let refreshes = after.refreshed - before.refreshed;
    ensure!(refreshes > 0, "the server answered no refresh while it was measured");
    let each = |now: Duration, then: Duration| (now - then).as_secs_f64() * 1e6 / refreshes as f64;
    let latency = &report["rounds"][0]["latency_ms"];
    let millis =
        |name: &str| latency[name].as_f64().with_context(|| format!("the generator reports no {name}"));
    let mebibytes = |bytes: u64| bytes as f64 / 1_048_576.0;
    Ok(Sample {
        user_micros: each(after.time.user, before.time.user),
        system_micros: each(after.time.system, before.time.system),
        per_second: refreshes as f64 / (after.at - before.at).as_secs_f64(),
        p50_millis: millis("p50")?,
        p99_millis: millis("p99")?,
        p999_millis: millis("p99.9")?,
        resident_mebibytes: mebibytes(memory.resident_bytes),
        peak_mebibytes: mebibytes(memory.peak_bytes),
    })
}
