//! One run of the program: from the words to the exit code.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use kloset::repository::Acceptance;
use kloset::runtime::{Clock, SystemClock};
use kloset::{Locking, Runtime};
use kloset_connector::layer::Throttle;
use kloset_connector::{ConnectorContext, RetryPolicy};
use kloset_format::Timestamp;

use crate::cli::parse::Request;
use crate::cli::{Globals, Invocation, duration, parse};
use crate::config::directories::make_private;
use crate::config::{Configuration, Directories, files};
use crate::error::{Failure, Outcome};
use crate::report::{Ending, ReportFlag};
use crate::ui::{Ui, escape};
use crate::{exit, machine, open, passphrase, signals};

/// What every command may use.
pub struct App {
    /// Flags of the program itself.
    pub globals: Globals,
    /// What stood after `at`.
    pub location: Option<String>,
    /// Configuration, cache, home.
    pub directories: Directories,
    /// The user's side.
    pub ui: Arc<Ui>,
    /// The whole line, secrets masked.
    pub command_line: String,
    threads: usize,
    parallelism: usize,
    working_directory: PathBuf,
    interrupted: Arc<AtomicBool>,
    upload: Arc<Throttle>,
    download: Arc<Throttle>,
}

/// Runs the program and returns its exit code.
pub fn run(program: &str, words: &[OsString]) -> u8 {
    let interrupted = signals::watch();
    let started = Instant::now();
    let invocation = match parse(words) {
        Ok(Request::Run(invocation)) => *invocation,
        Ok(Request::SecurityCheck(globals)) => return finish(program, None, &security_check(&globals)),
        Err(failure) => return finish(program, None, &Err(failure)),
    };
    let Invocation { globals, location, command, matches } = invocation;
    let ui = Arc::new(Ui::new(&globals));
    if globals.config.is_some() {
        ui.report("Option -config is deprecated, please use -configdir instead\n");
    }
    for (flag, file) in [("-profile-cpu", &globals.profile_cpu), ("-profile-mem", &globals.profile_mem)] {
        if file.is_some() {
            ui.warn(&format!("{flag} is not available: no profile is written; `perf record` can make one"));
        }
    }
    let timed = globals.time;
    let report = ReportFlag::of(&matches);
    let line =
        std::iter::once(program.to_owned()).chain(words.iter().map(|w| w.to_string_lossy().into_owned()));
    let result = App::new(globals, location, Arc::clone(&ui), line, interrupted).and_then(|app| {
        if report.is_some() {
            open::announce(&app);
        }
        (command.run)(&app, &matches)
    });
    ui.end_progress();
    if timed {
        let _ = ui.result(&format!("time: {}", duration::show(started.elapsed())));
    }
    let result = result.and_then(|outcome| ui.flush().map(|()| outcome));
    let code = finish(program, Some(&ui), &result);
    let Some(path) = report else { return code };
    let ending = Ending { command: command.name, result: &result, code };
    match ui.recorder().write(&path, &ending) {
        Ok(()) => code,
        Err(why) => {
            ui.report(&format!("{program}: {}\n", escape::line(&why)));
            if code == exit::DONE { exit::FAILURE } else { code }
        }
    }
}

/// Reports the failure and chooses the exit code.
fn finish(program: &str, ui: Option<&Ui>, result: &Result<Outcome, Failure>) -> u8 {
    let report = match result {
        Ok(_) => String::new(),
        Err(failure) => failure.report(program),
    };
    match ui {
        Some(ui) => ui.report(&report),
        None => {
            let _ = std::io::stderr().lock().write_all(report.as_bytes());
        }
    }
    exit::code(result, signals::received())
}

/// Sets or clears the cookie of the update check.
fn security_check(globals: &Globals) -> Result<Outcome, Failure> {
    let cookie = Directories::find(globals).security_cookie();
    let failed = |error: std::io::Error| {
        Failure::refused(format!("{}: {}", cookie.display(), kloset_connector::error::io_message(&error)))
    };
    let word = if globals.disable_security_check {
        if let Some(folder) = cookie.parent() {
            make_private(folder).map_err(failed)?;
        }
        std::fs::write(&cookie, b"").map_err(failed)?;
        "disabled"
    } else {
        match std::fs::remove_file(&cookie) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => "enabled",
        }
    };
    writeln!(std::io::stdout().lock(), "security check {word}").map_err(Failure::Output)?;
    Ok(Outcome::Done)
}

impl App {
    fn new(
        globals: Globals,
        location: Option<String>,
        ui: Arc<Ui>,
        line: impl Iterator<Item = String>,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        let threads = globals.threads()?;
        let parallelism = globals.parallelism()?;
        if let Some(path) = &globals.keyfile {
            // Looked at, not read: it may be a pipe that can be read once.
            std::fs::metadata(path).map_err(|error| passphrase::bad_key_file(path, &error))?;
        }
        let working_directory = std::env::current_dir().map_err(|error| {
            let why = kloset_connector::error::io_message(&error);
            Failure::refused(format!("cannot find the current directory: {why}"))
        })?;
        Ok(Self {
            directories: Directories::find(&globals),
            upload: Throttle::new(globals.limit_upload).into(),
            download: Throttle::new(globals.limit_download).into(),
            globals,
            location,
            ui,
            command_line: crate::config::mask::command_line(line),
            threads,
            parallelism,
            working_directory,
            interrupted,
        })
    }

    /// The configuration as it is now.
    pub fn configuration(&self) -> Result<Configuration, Failure> {
        Ok(files::load(&self.directories.config)?)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    /// Threads for CPU work.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Where relative local paths start.
    pub fn working_directory(&self) -> &std::path::Path {
        &self.working_directory
    }

    /// Whether a store that differs from what was seen before is accepted.
    pub fn acceptance(&self) -> Acceptance {
        if self.globals.accept_changed_store { Acceptance::AcceptChanges } else { Acceptance::Compare }
    }

    /// What connectors are given.
    pub fn connector_context(&self) -> ConnectorContext {
        ConnectorContext {
            working_directory: self.working_directory.clone(),
            hostname: machine::hostname(),
            parallelism: self.parallelism,
            retry: RetryPolicy { give_up_after: self.globals.retry_timeout, ..RetryPolicy::default() },
            events: Arc::clone(&self.ui) as _,
            interrupted: Arc::clone(&self.interrupted),
            upload: Arc::clone(&self.upload),
            download: Arc::clone(&self.download),
            concurrency: self.globals.concurrency.filter(|&set| set > 0).map(|_| self.parallelism),
        }
    }

    /// What the engine is given.
    pub fn runtime(&self) -> Runtime {
        let mut runtime = Runtime::system(self.threads, machine::hostname());
        runtime.interrupted = Arc::clone(&self.interrupted);
        if machine::is_set("PLAKAR_LOCKLESS") {
            runtime.locking = Locking::Skip;
        }
        runtime
    }

    /// Fails once the user has interrupted.
    pub fn proceed(&self) -> Result<(), Failure> {
        if self.interrupted.load(std::sync::atomic::Ordering::Relaxed) {
            Err(Failure::Interrupted)
        } else {
            Ok(())
        }
    }
}
