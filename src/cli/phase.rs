//! Bugs of netc's: what is said of them, and exit code 101.

use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// What netc is doing, for the report of a bug.
static PHASE: Mutex<&str> = Mutex::new("starting");

/// Stack for the compiler: far more than the depth that the language allows takes.
const STACK_BYTES: usize = 256 << 20;

/// Says what netc is doing from now on: `planning`.
pub(super) fn enter(phase: &'static str) {
    *PHASE.lock().unwrap_or_else(|it| it.into_inner()) = phase;
}

/// Runs a command on a thread with a large stack. A panic is reported as a bug, with exit code 101.
pub(super) fn guard(run: impl FnOnce() -> ExitCode + Send) -> ExitCode {
    std::panic::set_hook(Box::new(report));
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
        match worker.map(|it| it.join()) {
            Ok(Ok(code)) => code,
            Ok(Err(_)) => ExitCode::from(101),
            Err(fault) => {
                super::terminal::complain(&format!("cannot start a thread: {fault}"));
                ExitCode::from(2)
            }
        }
    })
}

/// Whether a bug has been reported: when a thread panics, those that wait for it follow.
static REPORTED: AtomicBool = AtomicBool::new(false);

fn report(info: &PanicHookInfo<'_>) {
    if REPORTED.swap(true, Ordering::Relaxed) {
        return;
    }
    let phase = *PHASE.lock().unwrap_or_else(|it| it.into_inner());
    let said = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(|it| format!(" ({}:{})", it.file(), it.line()));
    let version = env!("CARGO_PKG_VERSION");
    super::terminal::complain(&format!(
        "netc {version} has a bug, met while {phase}{}:\n{said}\n\n\
         This is netc's fault, not your file's. Please report it with the text above, the command and \
         the file.",
        place.unwrap_or_default()
    ));
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|it| it != "0") {
        super::terminal::complain(&std::backtrace::Backtrace::force_capture().to_string());
    }
}
