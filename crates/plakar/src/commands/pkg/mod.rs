//! `plakar pkg`: packages that bring connectors.

mod add;
mod list;
mod make;

use clap::{Args, Parser, Subcommand};
use plakar_pkg::{Remote, TokenFile};

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::machine;
use crate::packages::failure;

/// Connectors of this program that a package of the same name would bring, too.
const BUILT_IN: [&str; 1] = ["sftp"];

/// Manage packages
#[derive(Parser)]
#[command(
    name = "pkg",
    long_about = "Packages bring connectors for further kinds of stores, sources and destinations.\n\nSFTP is \
                  built in. A package for it can be installed beside; it is used once `pkg prefer sftp` says \
                  so, or where the option package=true of a store, source or destination asks for it."
)]
pub struct Pkg {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
enum Action {
    /// Install packages by name, NAME@VERSION, or file
    Add(add::Add),
    /// Build a package from a recipe: name, path or URL
    Build(make::Build),
    /// Make a package of a manifest and the files it names
    Create(make::Create),
    /// List installed packages
    #[command(alias = "show")]
    List(list::List),
    /// Use an installed package instead of what is built in
    Prefer(Prefer),
    /// Remove packages
    Rm(Names),
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Names {
    /// Names of packages
    #[arg(value_name = "NAME", num_args = 0..)]
    names: Vec<String>,
}

#[derive(Args)]
#[command(disable_help_flag = true)]
struct Prefer {
    /// Use what is built in again
    #[arg(long)]
    built_in: bool,

    /// Name of the package
    #[arg(value_name = "NAME")]
    name: String,
}

impl Run for Pkg {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        match self.action {
            Action::Add(add) => add.run(app),
            Action::Build(build) => build.run(app),
            Action::Create(create) => create.run(app),
            Action::List(list) => list.run(app),
            Action::Prefer(prefer) => prefer.run(app),
            Action::Rm(names) => remove(app, &names.names),
        }
    }
}

impl Prefer {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let packages = app.packages();
        let changed =
            if self.built_in { packages.prefer_built_in(&self.name) } else { packages.prefer(&self.name) };
        changed.map_err(|error| failure("", error))?;
        Ok(Outcome::Done)
    }
}

/// A missing name is no error, but worth a word.
fn remove(app: &App, names: &[String]) -> Result<Outcome, Failure> {
    for name in names {
        let removed = app
            .packages()
            .remove(name)
            .map_err(|error| failure(&format!("failed to remove {name}"), error))?;
        if !removed {
            app.ui.warn(&format!("package {name} is not installed"));
        }
    }
    Ok(Outcome::Done)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl App {
    /// Where the token of a login is.
    pub fn tokens(&self) -> TokenFile {
        TokenFile::new(&self.directories.cache, variable(plakar_pkg::token::VARIABLE))
    }

    /// Where packages come from.
    pub fn remote(&self) -> Remote {
        let packages = variable("PLAKAR_PACKAGE_URL");
        Remote::new(packages, variable("PLAKAR_SERVICE_ENDPOINT"), &machine::client())
    }
}
