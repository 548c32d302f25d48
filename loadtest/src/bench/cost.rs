//! What a process cost, as the kernel counts it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

/// CPU time of every thread of a process since it started.
#[derive(Debug, Clone, Default)]
pub(super) struct Cpu(HashMap<String, u64>);

impl Cpu {
    /// Nanoseconds from `schedstat`: `stat` counts in steps of 10 ms.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let mut threads = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let thread = thread?;
            // A thread may end between the two reads.
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let spent = text
                .split_whitespace()
                .next()
                .and_then(|first| first.parse().ok());
            let name = thread.file_name().to_string_lossy().into_owned();
            threads.insert(name, spent.unwrap_or_default());
        }
        Ok(Self(threads))
    }

    /// What all threads spent since `earlier`. Threads that ended meanwhile are not counted.
    pub(super) fn since(&self, earlier: &Self) -> Duration {
        let spent = self.0.iter().map(|(thread, now)| {
            now.saturating_sub(earlier.0.get(thread).copied().unwrap_or_default())
        });
        Duration::from_nanos(spent.sum())
    }
}

/// Resident memory in bytes.
pub(super) fn resident(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc"))
}

/// What a reader needs to judge figures of this machine.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Facts {
    pub(super) cores: usize,
    pub(super) cpu: String,
    pub(super) kernel: String,
    pub(super) memory_mib: u64,
}

impl Facts {
    pub(super) fn gather() -> Self {
        let line = |path: &str, name: &str| {
            let text = fs::read_to_string(Path::new(path)).unwrap_or_default();
            let value = text
                .lines()
                .find_map(|line| line.strip_prefix(name).map(str::to_owned));
            value
                .unwrap_or_default()
                .trim_start_matches([':', '\t', ' '])
                .to_owned()
        };
        let memory = line("/proc/meminfo", "MemTotal");
        let kib: u64 = memory
            .split_whitespace()
            .next()
            .and_then(|kib| kib.parse().ok())
            .unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: line("/proc/cpuinfo", "model name"),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            memory_mib: kib / 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_shows_in_its_cpu_time() {
        let pid = std::process::id();
        let before = Cpu::of(pid).expect("own threads");
        // Until the kernel's count moves; a frozen count fails by the test's own time limit.
        let mut number = 1_u64;
        while Cpu::of(pid).expect("own threads").since(&before) < Duration::from_millis(5) {
            for _ in 0..1_000_000 {
                number = std::hint::black_box(number.wrapping_mul(3));
            }
        }
        assert!(resident(pid).expect("own memory") > 1024 * 1024);
    }
}
