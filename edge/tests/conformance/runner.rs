//! Starts the suite's runner with this program as its testee, and says what it found.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// It takes a few seconds; a testee that hangs must not hold up everything else.
const LIMIT: Duration = Duration::from_secs(300);

/// Where `fetch.sh` puts the runner and the test messages.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/conformance")
}

/// Runs the suite once for each form of JSON.
pub(crate) fn run(forms: &[&str]) -> ExitCode {
    let runner = folder().join("runner");
    if !runner.is_file() {
        let reason = std::fs::read_to_string(folder().join("skipped"));
        println!(
            "conformance: skipped: {}",
            reason.as_deref().unwrap_or("`make test` installs the runner").trim()
        );
        return ExitCode::SUCCESS;
    }
    let passed = forms.iter().filter(|form| match finish(command(&runner, form)) {
        Ok(output) => report(form, &output),
        Err(problem) => {
            println!("conformance: {problem}");
            false
        }
    });
    if passed.count() == forms.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn command(runner: &Path, form: &str) -> Command {
    let failures = format!("tests/conformance/failures/{form}.txt");
    let mut command = Command::new(runner);
    command.args(["--enforce_recommended", "--maximum_edition", "2023", "--failure_list"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(failures));
    // It writes lists of what failed into the folder where it runs.
    command.arg("--output_dir").arg(folder());
    command.args(std::env::current_exe().ok()).args(["testee", form]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The output of a command that ends in time.
fn finish(mut command: Command) -> Result<Output, String> {
    let child = command.spawn().map_err(|error| format!("the runner does not start: {error}"))?;
    let id = child.id();
    let (done, output) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    match output.recv_timeout(LIMIT) {
        Ok(output) => output.map_err(|error| error.to_string()),
        Err(_) => {
            _ = Command::new("kill").arg(id.to_string()).status();
            Err(format!("not done after {} s", LIMIT.as_secs()))
        }
    }
}

/// Prints the sums; everything, when there is a surprise.
fn report(form: &str, output: &Output) -> bool {
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let passed = output.status.success();
    if !passed {
        println!("{text}");
    }
    for sum in text.lines().filter_map(|line| line.strip_prefix("CONFORMANCE SUITE ")) {
        println!("conformance, {form} JSON: {sum}");
    }
    passed
}
