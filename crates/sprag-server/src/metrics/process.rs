//! The process, under the names that every exporter has for these.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use sprag::clock::{Clock as _, SystemClock, Timestamp};

use super::exposition::Exposition;

/// The process.
#[derive(Debug)]
pub(super) struct Process {
    began: Timestamp,
}

impl Process {
    pub(super) fn begun_now() -> Self {
        Self { began: SystemClock.now() }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut out = Exposition::on(encoder);
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        let spent = spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9;
        out.seconds_spent("process_cpu", "Time that all threads together were on a core", spent)?;
        let one = |value: Option<u64>| value.map(|value| (Vec::new(), value));
        out.bytes("process_resident_memory", "Memory of the process that is in RAM", one(resident_bytes()))?;
        let began = [(Vec::new(), self.began.0 as f64 / 1000.0)];
        out.seconds("process_start_time", "When the process began", began)?;
        out.gauge("process_open_fds", "Open files and sockets", one(open_files()))?;
        let most = getrlimit(Resource::Nofile).current;
        out.gauge("process_max_fds", "How many it may have open", one(most))
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

fn open_files() -> Option<u64> {
    // The folder itself is open while it is read.
    fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1))
}
