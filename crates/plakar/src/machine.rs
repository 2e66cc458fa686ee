//! Facts about this machine and program, as snapshot headers record them.

use std::env::VarError;

use crate::app::App;
use crate::config::directories::user_record;
use crate::error::Failure;

/// Name and version of this program.
pub fn client() -> String {
    format!("plakar/v{}", env!("CARGO_PKG_VERSION"))
}

/// Whether a variable of the environment says yes, in one of Go's spellings.
pub fn is_set(variable: &str) -> bool {
    std::env::var(variable)
        .is_ok_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

/// The text of a variable of the environment; an empty one counts as not set.
pub fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("${name} must be valid UTF-8"))),
    }
}

/// Name of this machine as the kernel says.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name by which Go calls the architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

/// The name by which Go calls the operating system.
fn operating_system() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn username() -> String {
    user_record()
        .map(|record| record.name)
        .or_else(|| std::env::var("USER").ok())
        .unwrap_or_else(|| rustix::process::getuid().as_raw().to_string())
}

fn machine_id() -> String {
    std::fs::read_to_string("/etc/machine-id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// The pairs of a header, in their fixed order.
pub fn context(app: &App) -> Vec<(String, String)> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    [
        ("Hostname", hostname()),
        ("Username", username()),
        ("OperatingSystem", operating_system().to_owned()),
        ("MachineID", machine_id()),
        ("CommandLine", app.command_line.clone()),
        ("ProcessID", std::process::id().to_string()),
        ("Architecture", architecture().to_owned()),
        ("NumCPU", cores.to_string()),
        ("MaxProcs", app.threads().to_string()),
        ("Client", client()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}
