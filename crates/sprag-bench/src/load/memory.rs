//! How much memory a process on this machine holds.

use crate::process_file;

/// What the kernel says of a process's memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Memory {
    /// Held now.
    pub(crate) resident_bytes: u64,
    /// The most it has held.
    pub(crate) peak_bytes: u64,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        process_file::read(pid, "status", Self::read)
    }

    fn read(status: &str) -> Option<Self> {
        Some(Self { resident_bytes: bytes(status, "VmRSS:")?, peak_bytes: bytes(status, "VmHWM:")? })
    }
}

fn bytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_kilobytes_are_kibibytes() {
        let status = "Name:\tsprag\nVmPeak:\t  999 kB\nVmHWM:\t    13 kB\nVmRSS:\t    12 kB\n";
        assert_eq!(Memory::read(status), Some(Memory { resident_bytes: 12_288, peak_bytes: 13_312 }));
        assert_eq!(Memory::read("Name:\tkthreadd\n"), None, "a kernel thread has no memory of its own");
    }
}
