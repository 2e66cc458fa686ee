//! `pkg list`.

use std::collections::BTreeMap;

use clap::Args;
use plakar_pkg::PackageName;

use super::BUILT_IN;
use crate::app::App;
use crate::error::{Failure, Outcome};
use crate::packages::failure;

/// Which packages, and how.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct List {
    /// Names of package files
    #[arg(long)]
    long: bool,

    /// Also those that the server has
    #[arg(long)]
    available: bool,
}

impl List {
    pub fn run(self, app: &App) -> Result<Outcome, Failure> {
        let packages = app.packages();
        let installed = packages.list().map_err(|error| failure("", error))?;
        let mut lines: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut add = |name: &PackageName, note: &str| {
            let text = if self.long { name.to_string() } else { format!("{}@{}", name.name, name.version) };
            lines.entry((name.name.clone(), name.version.clone())).or_insert(format!("{text}{note}"));
        };
        for one in &installed {
            // Only where there is a choice.
            let note = match BUILT_IN.contains(&one.name.name.as_str()) {
                false => "",
                true if packages.is_preferred(&one.name.name) => " (in use)",
                true => " (built-in one in use)",
            };
            add(&one.name, note);
        }
        if self.available {
            let index = app.remote().index().map_err(|error| failure("failed to fetch the index", error))?;
            for one in index {
                let (os, arch) = (plakar_pkg::go_os(), plakar_pkg::go_arch());
                let name = PackageName::new(&one.name, &one.version, os, arch);
                add(&name.map_err(|error| failure("", error))?, "");
            }
        }
        for line in lines.values() {
            app.ui.result(line)?;
        }
        Ok(Outcome::Done)
    }
}
