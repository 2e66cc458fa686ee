//! `pkg create` and `pkg build`.

use std::path::PathBuf;

use clap::Args;
use plakar_pkg::{BuildRequest, Manifest, PackageName, PkgError, Recipe};

use super::variable;
use crate::app::App;
use crate::error::{Failure, Outcome};
use crate::packages::failure;

/// A package of a manifest.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Create {
    /// File to make
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Path of manifest.yaml, and the version
    #[arg(value_name = "MANIFEST VERSION", num_args = 0..)]
    words: Vec<String>,
}

/// A package of a recipe.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub struct Build {
    /// Name, path or URL of the recipe
    #[arg(value_name = "RECIPE", num_args = 0..)]
    words: Vec<String>,
}

/// System and architecture to make packages for.
fn platform() -> (String, String) {
    let os = variable("GOOS").unwrap_or_else(|| plakar_pkg::go_os().to_owned());
    (os, variable("GOARCH").unwrap_or_else(|| plakar_pkg::go_arch().to_owned()))
}

impl Create {
    pub fn run(self, app: &App) -> Result<Outcome, Failure> {
        let [manifest, version] = self.words.as_slice() else { return Err(Failure::usage("wrong usage")) };
        let manifest = app.working_directory().join(manifest);
        let failed = |error| failure("", error);
        if !plakar_pkg::version::is_valid(version) {
            return Err(failed(PkgError::BadVersion(version.clone())));
        }
        let out = match self.out {
            Some(out) => app.working_directory().join(out),
            None => {
                let name = Manifest::read(&manifest).map_err(failed)?.name;
                let (os, arch) = platform();
                let name = PackageName::new(&name, version, &os, &arch).map_err(failed)?;
                app.working_directory().join(name.to_string())
            }
        };
        plakar_pkg::create(&manifest, version, &out, &app.connector_context(), &app.runtime())
            .map_err(failed)?;
        app.ui.result(&format!("Plugin created successfully: {}", out.display()))?;
        Ok(Outcome::Done)
    }
}

impl Build {
    pub fn run(self, app: &App) -> Result<Outcome, Failure> {
        let [recipe] = self.words.as_slice() else { return Err(Failure::usage("wrong usage")) };
        let (os, arch) = platform();
        let token = variable("PLAKAR_CLONE_TOKEN");
        let (context, runtime) = (app.connector_context(), app.runtime());
        let request = BuildRequest {
            out: app.working_directory(),
            os: &os,
            arch: &arch,
            clone_token: token.as_deref(),
            context: &context,
            runtime: &runtime,
        };
        app.ui.flush()?;
        let built = build(app, recipe, &request).map_err(|error| failure("", error))?;
        app.ui.result(&format!("Plugin created successfully: {}", built.file.display()))?;
        Ok(Outcome::Done)
    }
}

/// A URL, a path if it looks like one, else a name.
fn build(app: &App, recipe: &str, request: &BuildRequest<'_>) -> Result<plakar_pkg::Built, PkgError> {
    let recipe = if recipe.starts_with("http://") || recipe.starts_with("https://") {
        app.remote().recipe_at(recipe)?
    } else if recipe.contains('/') {
        Recipe::read(&app.working_directory().join(recipe))?
    } else if let Some(folder) = plakar_pkg::own_package(recipe, app.working_directory()) {
        return plakar_pkg::build_own(recipe, &folder, request);
    } else {
        app.remote().recipe(recipe)?
    };
    plakar_pkg::build(&recipe, request)
}
