//! What a process has used: CPU time to the nanosecond, and memory.

use std::collections::HashMap;
use std::fs;

/// CPU nanoseconds of each thread; `/proc/PID/stat` counts in hundredths of a second.
pub(crate) struct Cpu(HashMap<String, u64>);

impl Cpu {
    pub(crate) fn of(process: u32) -> Self {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("procfs, and the process lives");
        let names = threads.filter_map(|thread| thread.ok()?.file_name().into_string().ok());
        let used = |thread: &String| {
            // A thread may end meanwhile.
            let line = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).ok()?;
            line.split_whitespace().next()?.parse().ok()
        };
        Self(names.filter_map(|thread| used(&thread).map(|used| (thread, used))).collect())
    }

    /// Microseconds used since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> f64 {
        let used = |(thread, now): (&String, &u64)| now - earlier.0.get(thread).unwrap_or(&0);
        self.0.iter().map(used).sum::<u64>() as f64 / 1e3
    }
}

/// Resident bytes.
pub(crate) fn memory(process: u32) -> f64 {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).expect("procfs, and the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has memory");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kilobytes * 1024.0
}
