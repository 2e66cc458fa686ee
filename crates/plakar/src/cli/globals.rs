//! Flags of the program itself: before `at` and the command, or behind the command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::cli::{duration, rate};
use crate::error::Failure;

/// Encrypted, deduplicated backups of files, here and elsewhere
#[derive(Parser, Clone, Debug, Default)]
#[command(name = "plakar", disable_help_flag = true, disable_version_flag = true)]
pub struct Globals {
    /// Configuration directory (default $XDG_CONFIG_HOME/plakar, else ~/.config/plakar)
    #[arg(long, value_name = "DIR")]
    pub configdir: Option<PathBuf>,

    /// Old name of -configdir
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,

    /// Cache directory (default $XDG_CACHE_HOME/plakar, else ~/.cache/plakar)
    #[arg(long, value_name = "DIR")]
    pub cachedir: Option<PathBuf>,

    /// Data directory (default $XDG_DATA_HOME/plakar, else ~/.local/share/plakar)
    #[arg(long, value_name = "DIR")]
    pub datadir: Option<PathBuf>,

    /// Cores to use (default: all of them)
    #[arg(long, value_name = "N", value_parser = integer)]
    pub cpu: Option<i64>,

    /// Parallel operations of a connector and files in flight over a network; -1 means the value of -cpu
    #[arg(long, value_name = "N", value_parser = integer)]
    pub concurrency: Option<i64>,

    /// Bytes per second to send at most, as in 500K, 2M, 1G
    #[arg(long, value_name = "RATE", value_parser = rate::parse)]
    pub limit_upload: Option<u64>,

    /// Bytes per second to receive at most
    #[arg(long, value_name = "RATE", value_parser = rate::parse)]
    pub limit_download: Option<u64>,

    /// File that holds the passphrase; one final newline is dropped
    #[arg(long, value_name = "FILE")]
    pub keyfile: Option<PathBuf>,

    /// Hide the lines per path and the info lines
    #[arg(long)]
    pub quiet: bool,

    /// Hide every event; errors and results stay
    #[arg(long)]
    pub silent: bool,

    /// Plain lines even on a terminal
    #[arg(long)]
    pub stdio: bool,

    /// Events and listings as JSON, one object a line
    #[arg(long)]
    pub json: bool,

    /// Show steps of these, comma separated: repository (calls of the store), snapshot, server (requests), all
    #[arg(long, value_name = "LIST")]
    pub trace: Option<String>,

    /// Print the time the command took
    #[arg(long)]
    pub time: bool,

    /// Give up after this long without progress; 0 fails at the first loss
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = duration::parse)]
    pub retry_timeout: Duration,

    /// Not available: says so and goes on
    #[arg(long, value_name = "FILE")]
    pub profile_cpu: Option<PathBuf>,

    /// Not available: says so and goes on
    #[arg(long, value_name = "FILE")]
    pub profile_mem: Option<PathBuf>,

    /// Accept a store that went backwards, changed its identity or lost its encryption since it was last seen
    #[arg(long)]
    pub accept_changed_store: bool,

    /// Turn the update check off (this program never asks the network unasked)
    #[arg(long)]
    pub disable_security_check: bool,

    /// Turn the update check on
    #[arg(long)]
    pub enable_security_check: bool,
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "parse error".to_owned())
}

impl Globals {
    /// Whether the line asks for nothing but the update check to be turned on or off.
    pub fn wants_security_check_set(&self) -> bool {
        self.disable_security_check || self.enable_security_check
    }

    /// Number of threads for CPU work.
    pub fn threads(&self) -> Result<usize, Failure> {
        let available = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        match self.cpu {
            None => Ok(available),
            Some(wanted) if wanted < 1 => Err(Failure::usage(format!("invalid -cpu value {wanted}"))),
            Some(wanted) => match usize::try_from(wanted) {
                Ok(wanted) if wanted <= available => Ok(wanted),
                _ => Err(Failure::usage(format!("can't use more cores than available: {available}"))),
            },
        }
    }

    /// Parallel operations of a connector.
    pub fn parallelism(&self) -> Result<usize, Failure> {
        match self.concurrency {
            None | Some(-1) => self.threads(),
            Some(wanted) => usize::try_from(wanted)
                .ok()
                .filter(|&wanted| (1..=4096).contains(&wanted))
                .ok_or_else(|| Failure::usage(format!("invalid -concurrency value {wanted}"))),
        }
    }
}
