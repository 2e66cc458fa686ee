//! `pkg add`.

use std::path::PathBuf;

use clap::Args;
use plakar_pkg::{Added, PackageName, Packages, PkgError, Upgrade};

use super::BUILT_IN;
use crate::app::App;
use crate::error::{Failure, Outcome};
use crate::packages::failure;

/// What to install.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Add {
    /// Replace older versions; without a name, of every installed package
    #[arg(short = 'u', long = "u")]
    upgrade: bool,

    /// Name, NAME@VERSION, or package file
    #[arg(value_name = "PACKAGE", num_args = 0..)]
    packages: Vec<String>,
}

/// Where a package comes from.
enum Origin {
    File(PathBuf),
    Name { name: String, version: Option<String> },
}

impl Add {
    pub fn run(self, app: &App) -> Result<Outcome, Failure> {
        let packages = app.packages();
        let mut wanted = self.packages;
        if wanted.is_empty() {
            if !self.upgrade {
                return Err(Failure::usage("not enough arguments"));
            }
            let installed = packages.list().map_err(|error| failure("", error))?;
            wanted = installed.into_iter().map(|one| one.name.name).collect();
            wanted.dedup();
        }
        let upgrade = if self.upgrade { Upgrade::Older } else { Upgrade::Refuse };
        for target in wanted {
            app.proceed()?;
            let added = origin(app, &target).and_then(|origin| match origin {
                Origin::File(file) => packages.add(&file, upgrade),
                Origin::Name { name, version } => fetch(app, &packages, &name, version, upgrade),
            });
            match added {
                Ok(Added::Installed(skipped)) => {
                    for kind in skipped {
                        app.ui.warn(&format!("skipping unknown connector type: {kind}"));
                    }
                }
                Ok(Added::Kept) => {}
                Err(error) if is_built_in(&packages, &target, &error) => {
                    let version = env!("CARGO_PKG_VERSION");
                    app.ui.result(&format!("{target} is built in, version v{version}"))?;
                    app.ui.info(&format!("no package was installed beside it: {error}"));
                }
                Err(error) => return Err(failure(&format!("failed to install {target}"), error)),
            }
        }
        Ok(Outcome::Done)
    }
}

/// Whether all is well without the package, because the program has the connector itself.
fn is_built_in(packages: &Packages, target: &str, error: &PkgError) -> bool {
    let out_of_reach = matches!(error, PkgError::AuthenticationRequired | PkgError::Unreachable { .. });
    out_of_reach && BUILT_IN.contains(&target) && matches!(packages.find(target), Ok(None))
}

fn origin(app: &App, target: &str) -> Result<Origin, PkgError> {
    // Without the `.` components that people type.
    let path: PathBuf = app.working_directory().join(target).components().collect();
    if path.is_file() {
        return Ok(Origin::File(path));
    }
    if target.starts_with('/') || target.ends_with(".ptar") {
        return Err(PkgError::FileNotFound(path));
    }
    let (name, version) = match target.split_once('@') {
        Some((name, version)) => (name, Some(version.to_owned())),
        None => (target, None),
    };
    Ok(Origin::Name { name: name.to_owned(), version })
}

/// Recipe, then the installed version, then the package itself, which needs a login.
fn fetch(
    app: &App,
    packages: &Packages,
    name: &str,
    version: Option<String>,
    upgrade: Upgrade,
) -> Result<Added, PkgError> {
    let remote = app.remote();
    let (name, version) = match version {
        Some(version) => (name.to_owned(), version),
        None => {
            let recipe = remote.recipe(name)?;
            (recipe.name.clone(), recipe.semver().to_owned())
        }
    };
    if !packages.wants(&name, &version, upgrade)? {
        return Ok(Added::Kept);
    }
    let (os, arch) = (plakar_pkg::go_os(), plakar_pkg::go_arch());
    let wanted = PackageName::new(&name, &version, os, arch)?;
    let folder = packages.download_folder()?;
    let file = remote.package(&wanted, app.tokens().get().as_deref(), folder.path())?;
    packages.add(&file, upgrade)
}
