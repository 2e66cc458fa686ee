//! `plakar info`.

mod snapshot;
mod store;

use std::ffi::OsString;

use clap::Parser;
use serde_json::json;

use crate::app::App;
use crate::commands::Run;
use crate::commands::ls::merge;
use crate::error::{Failure, Outcome};
use crate::filters::SnapshotArgument;
use crate::open::{self, Opened};
use crate::size;
use crate::ui::{escape, path_object};

pub use snapshot::describe as describe_snapshot;

/// Describe the store, or a snapshot
#[derive(Parser)]
#[command(name = "info")]
pub struct Info {
    /// List the paths that could not be read when the snapshot was made
    #[arg(long)]
    errors: bool,

    /// Snapshot, and where in it to list errors
    #[arg(value_name = "ID[:PATH]")]
    argument: Option<OsString>,
}

impl Info {
    /// Describes the store.
    pub fn of_store() -> Self {
        Self { errors: false, argument: None }
    }
}

impl Run for Info {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let argument = self.argument.as_deref().map(SnapshotArgument::parse);
        if self.errors && argument.is_none() {
            return Err(Failure::usage("-errors needs a snapshot"));
        }
        let opened = open::open(app)?;
        match argument {
            None => store::describe(app, &opened)?,
            Some(argument) if self.errors => errors(app, &opened, &argument)?,
            Some(argument) => snapshot::describe(app, &argument.find(&opened.repository)?)?,
        }
        Ok(Outcome::Done)
    }
}

/// Lines of a description, or the same as JSON.
struct Page {
    lines: Vec<String>,
}

impl Page {
    fn head(&mut self, title: &str) {
        self.lines.push(format!("{title}:"));
    }

    fn field(&mut self, key: &str, value: impl ToString) {
        self.lines.push(format!("{key}: {}", escape::line(&value.to_string())));
    }

    fn item(&mut self, key: &str, value: impl ToString) {
        self.lines.push(format!(" - {key}: {}", escape::line(&value.to_string())));
    }

    fn bytes(&mut self, key: &str, value: u64) {
        self.item(key, format!("{} ({value} bytes)", size::show(value)));
    }
}

fn print(app: &App, page: &Page) -> Result<(), Failure> {
    page.lines.iter().try_for_each(|line| app.ui.result(line))
}

fn errors(app: &App, opened: &Opened, argument: &SnapshotArgument) -> Result<(), Failure> {
    let snapshot = argument.find(&opened.repository)?;
    let below = if argument.path.is_empty() { b"/".to_vec() } else { snapshot.absolute(&argument.path) };
    for error in snapshot.errors()? {
        if !kloset_format::path::is_within(&error.name, &below) {
            continue;
        }
        if app.ui.is_json() {
            let mut value = path_object(&error.name);
            merge(&mut value, json!({ "error": error.error.to_string_lossy() }));
            app.ui.result_json(&value)?;
        } else {
            let reason = error.error.to_string_lossy();
            app.ui.result(&format!("{}: {}", escape::name(&error.name), escape::line(&reason)))?;
        }
    }
    Ok(())
}
