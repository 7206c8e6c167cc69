//! A program of ours (or a foreign one) as a child process whose output is kept, searched, shown on failure.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::patience::soon;

/// One line that a process printed; JSON where it was JSON.
pub type LogLine = Value;

/// A running child process; it is killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    lines: Lines,
}

/// All lines so far; the watch tells how many there are.
#[derive(Debug, Clone)]
struct Lines {
    kept: Arc<Mutex<Vec<LogLine>>>,
    count: watch::Sender<usize>,
}

impl Process {
    /// Starts `program`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        variables: &[(&str, &str)],
    ) -> Self {
        let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut child = Command::new(&program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Lines { kept: Arc::default(), count: watch::Sender::new(0) };
        lines.read(child.stdout.take().expect("stdout is piped"));
        lines.read(child.stderr.take().expect("stderr is piped"));
        Self { name, child, lines }
    }

    /// Waits for a line that `wanted` turns into something.
    ///
    /// # Panics
    /// When the process ends first, or the line does not come.
    pub async fn line<T>(&mut self, what: &str, mut wanted: impl FnMut(&LogLine) -> Option<T>) -> T {
        let mut count = self.lines.count.subscribe();
        let what = format!("{what} from {}", self.name);
        soon(&what, async {
            loop {
                let _ = count.borrow_and_update();
                if let Some(found) = self.lines.lock().iter().find_map(&mut wanted) {
                    return found;
                }
                tokio::select! {
                    changed = count.changed() => changed.expect("the sender lives in self"),
                    status = self.child.wait() => panic!("{what}: it ended with {status:?}"),
                }
            }
        })
        .await
    }

    /// Waits for the log line `message`.
    pub async fn log(&mut self, message: &str) -> LogLine {
        self.line(message, |line| (said(line) == message).then(|| line.clone())).await
    }

    /// Everything printed so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.lines.lock().clone()
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// When the process has already been waited for.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, by its name without `SIG`.
    ///
    /// # Panics
    /// When the process has already been waited for.
    pub fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(status.is_ok_and(|status| status.success()), "{} could not be signalled", self.name);
    }

    /// Its number in procfs.
    ///
    /// # Panics
    /// When the process has already been waited for.
    pub fn id(&self) -> u32 {
        self.child.id().expect("still running")
    }

    /// CPU time used so far, from procfs.
    ///
    /// # Panics
    /// Where there is no procfs, or the process has ended.
    pub fn cpu_time(&self) -> Duration {
        let id = self.id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("procfs");
        // The name, in parentheses, may hold anything; utime and stime are fields 14 and 15, in 1/100 s.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident bytes, from procfs.
    ///
    /// # Panics
    /// Where there is no procfs, or the process has ended.
    pub fn memory(&self) -> u64 {
        let id = self.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("procfs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn ended(&mut self) -> ExitStatus {
        soon("the end of the process", self.child.wait()).await.expect("a child can be waited for")
    }

    /// Ends the process as a power cut would, without a chance to tidy up.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child can be killed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show();
        }
    }
}

impl Process {
    #[expect(clippy::print_stderr, reason = "the output of a failed test is where its reader looks")]
    fn show(&self) {
        let lines = self.lines.lock();
        for line in lines.iter().skip(lines.len().saturating_sub(40)) {
            eprintln!("{}: {line}", self.name);
        }
    }
}

impl Lines {
    fn read(&self, output: impl AsyncRead + Send + Unpin + 'static) {
        let lines = self.clone();
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lines.lock().push(line);
                lines.count.send_modify(|count| *count += 1);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LogLine>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message of a log line.
fn said(line: &LogLine) -> &str {
    line["message"].as_str().or(line["fields"]["message"].as_str()).or(line.as_str()).unwrap_or_default()
}

/// Path of one of our binaries, built beside the running test.
///
/// # Panics
/// When it has not been built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("tests lie in target/PROFILE/deps");
    let path = folder.join(name);
    assert!(path.is_file(), "{name} is not built: `cargo build --workspace --all-targets` comes first");
    path
}

/// The folder of the whole repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).expect("the crate lies in a folder").to_owned()
}

/// A tool that `make test` installs, by its path in the repository; none where it cannot be had.
pub fn tool(path: &str) -> Option<PathBuf> {
    Some(repository().join(path)).filter(|path| path.exists())
}
