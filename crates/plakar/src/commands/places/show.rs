//! `show`.

use clap::Args;

use super::bare;
use crate::app::App;
use crate::config::Kind;
use crate::config::show::{self, Format, Secrets};
use crate::error::{Failure, Outcome};

/// Which entries, and how.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Show {
    /// As YAML (default)
    #[arg(long)]
    yaml: bool,

    /// As JSON, one object a line
    #[arg(long)]
    json: bool,

    /// As INI
    #[arg(long)]
    ini: bool,

    /// Show secrets as they are
    #[arg(long)]
    secrets: bool,

    /// Entries to show, all by default
    #[arg(value_name = "NAME", num_args = 0..)]
    names: Vec<String>,
}

impl Show {
    /// Prints them.
    pub fn run(self, app: &App, kind: Kind) -> Result<Outcome, Failure> {
        let format = match (self.json, self.ini, self.yaml) {
            (false, false, _) => Format::Yaml,
            (true, false, false) => Format::Json,
            (false, true, false) => Format::Ini,
            _ => return Err(Failure::usage("only one of -yaml, -json and -ini can be given")),
        };
        let secrets = if self.secrets { Secrets::Shown } else { Secrets::Masked };
        let configuration = app.configuration()?;
        let entries = &configuration.section(kind).entries;
        let names: Vec<&str> = if self.names.is_empty() {
            entries.keys().map(String::as_str).collect()
        } else {
            self.names.iter().map(|name| bare(name)).collect()
        };
        let mut absent = false;
        for name in names {
            match entries.get(name) {
                Some(options) => {
                    app.ui.result_bytes(show::entry(name, options, format, secrets).as_bytes())?
                }
                None => {
                    absent = true;
                    app.ui.report(&format!("{} \"{name}\" does not exist\n", kind.word()));
                }
            }
        }
        if absent {
            return Err(Failure::refused(format!("one or more {} do not exist", kind.plural())));
        }
        Ok(Outcome::Done)
    }
}
