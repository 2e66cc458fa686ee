//! `import`.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use kloset_connector::error::io_message;

use super::{bare, change};
use crate::app::App;
use crate::config::{Kind, import};
use crate::error::{Failure, Outcome};

/// What to read, and how.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Import {
    /// File to read; standard input by default
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Replace entries that exist
    #[arg(long)]
    overwrite: bool,

    /// The file is an rclone configuration
    #[arg(long)]
    rclone: bool,

    /// Sections to import, all by default; SECTION:NAME renames
    #[arg(value_name = "SECTION", num_args = 0..)]
    sections: Vec<String>,
}

impl Import {
    /// Reads entries and adds them.
    pub fn run(self, app: &App, kind: Kind) -> Result<Outcome, Failure> {
        let text = self.read_text()?;
        let failed = |why: String| Failure::refused(format!("failed to load config: {why}"));
        let mut entries = import::read(&text).map_err(failed)?;
        if self.rclone {
            entries = import::from_rclone(entries);
        }
        if !entries.values().any(|options| options.contains_key("location")) {
            return Err(failed(
                "missing 'location' key in config data, `-rclone` import option missing ?".to_owned(),
            ));
        }
        let wanted: Vec<(String, String)> = if self.sections.is_empty() {
            entries.keys().map(|name| (name.clone(), name.clone())).collect()
        } else {
            self.sections
                .iter()
                .map(|word| {
                    let (section, name) = word.split_once(':').unwrap_or((word, word));
                    (bare(section).to_owned(), bare(name).to_owned())
                })
                .collect()
        };
        change(app, |configuration| {
            let present = &mut configuration.section_mut(kind).entries;
            for (section, name) in wanted {
                let Some(options) = entries.get(&section) else {
                    app.ui.report(&format!("{} \"{section}\" does not exist in config\n", kind.word()));
                    continue;
                };
                if present.contains_key(&name) && !self.overwrite {
                    app.ui.report(&format!("{} \"{name}\" already exists, skipping\n", kind.word()));
                    continue;
                }
                present.insert(name, options.clone());
            }
            Ok(())
        })
    }

    fn read_text(&self) -> Result<String, Failure> {
        let mut text = String::new();
        match &self.config {
            Some(path) if is_url(path) => Err(Failure::refused(
                "-config does not fetch from the network: download the file and pipe it in",
            )),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                let path = path.display();
                Failure::refused(format!(
                    "failed to open file \"{path}\": open {path}: {}",
                    io_message(&error)
                ))
            }),
            None => match std::io::stdin().read_to_string(&mut text) {
                Ok(_) => Ok(text),
                Err(error) => Err(Failure::refused(format!("failed to read stdin: {}", io_message(&error)))),
            },
        }
    }
}

fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with("http://") || text.starts_with("https://"))
}
