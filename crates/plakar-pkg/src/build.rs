//! Builds a package from its sources: git and make for recipes, cargo for our own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kloset::Runtime;
use kloset_connector::ConnectorContext;

use crate::create::default_file;
use crate::extract::fresh_folder;
use crate::{PkgError, Recipe, create};

/// What to build, where, and for which machine.
pub struct BuildRequest<'a> {
    /// Folder for the package.
    pub out: &'a Path,
    /// As Go calls it.
    pub os: &'a str,
    /// As Go calls it.
    pub arch: &'a str,
    /// Token for private repositories, put into the URL as user name.
    pub clone_token: Option<&'a str>,
    /// For the engine.
    pub context: &'a ConnectorContext,
    /// For the engine.
    pub runtime: &'a Runtime,
}

/// A built package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Built {
    /// The package file.
    pub file: PathBuf,
}

/// Builds what a recipe describes.
pub fn build(recipe: &Recipe, request: &BuildRequest<'_>) -> Result<Built, PkgError> {
    let file = request.out.join(default_file(&recipe.name, recipe.semver(), request.os, request.arch)?);
    refuse_existing(&file)?;
    let prefix = format!("build-{}-{}-", recipe.name, recipe.semver());
    let work = fresh_folder(&std::env::temp_dir(), &prefix)?;
    let sources = work.path().join("sources");
    clone(recipe, &sources, request.clone_token)?;
    let folder = match recipe.folder() {
        None => sources,
        Some(inside) => match crate::manifest::below(inside) {
            Some(inside) => sources.join(inside),
            None => return Err(PkgError::Refused(format!("not below the repository: {inside}"))),
        },
    };
    let mut make = Command::new("make");
    make.arg("-C").arg(&folder);
    if request.os == "windows" {
        make.arg("EXT=.exe");
    }
    run(&mut make, "make")?;
    create(&folder.join("manifest.yaml"), recipe.semver(), &file, request.context, request.runtime)?;
    Ok(Built { file })
}

fn clone(recipe: &Recipe, target: &Path, token: Option<&str>) -> Result<(), PkgError> {
    let mut git = Command::new("git");
    git.args(["clone", "--depth=1", "--branch", &recipe.version]);
    if recipe.folder().is_some() {
        git.args(["--filter=blob:none", "--sparse"]);
    }
    git.arg("--").arg(with_token(&recipe.repository, token)).arg(target);
    quiet(&mut git, recipe)?;
    if let Some(folder) = recipe.folder() {
        let mut git = Command::new("git");
        git.arg("-C").arg(target).args(["sparse-checkout", "set", folder]);
        quiet(&mut git, recipe)?;
    }
    Ok(())
}

fn with_token(repository: &str, token: Option<&str>) -> String {
    match (token, repository.split_once("://")) {
        (Some(token), Some((scheme, rest))) if !token.is_empty() => format!("{scheme}://{token}@{rest}"),
        _ => repository.to_owned(),
    }
}

/// Runs git; its words are shown only if it fails.
fn quiet(git: &mut Command, recipe: &Recipe) -> Result<(), PkgError> {
    let failed = |why: String| {
        PkgError::Refused(format!(
            "failed to clone {}: {}: git clone failed: {why}",
            recipe.repository, recipe.version
        ))
    };
    let output = git
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(failed(format!("{}: {}", output.status, plugin_sdk::failure::printable(last))))
}

/// Runs a tool whose output the user sees on standard error.
fn run(command: &mut Command, name: &str) -> Result<(), PkgError> {
    let refused = |why: String| PkgError::Refused(format!("{name} failed: {why}"));
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .map_err(|error| refused(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(refused(status.to_string())) }
}

fn refuse_existing(file: &Path) -> Result<(), PkgError> {
    if file.symlink_metadata().is_ok() {
        return Err(PkgError::Refused(format!("{}: file exists", file.display())));
    }
    Ok(())
}

/// The folder of a package of our own, if the sources of this program are at hand: the folder
/// `connectors/NAME-package` of the workspace that holds `start`, or that this program was built in.
pub fn own_package(name: &str, start: &Path) -> Option<PathBuf> {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let folder = Path::new("connectors").join(format!("{name}-package"));
    let mut places = start.ancestors().chain(built_in);
    places.find_map(|place| {
        let found = place.join(&folder);
        (found.join("Cargo.toml").is_file() && found.join("manifest.yaml").is_file()).then_some(found)
    })
}

/// Builds a package of our own with cargo.
pub fn build_own(name: &str, folder: &Path, request: &BuildRequest<'_>) -> Result<Built, PkgError> {
    let version = format!("v{}", env!("CARGO_PKG_VERSION"));
    let file = request.out.join(default_file(name, &version, request.os, request.arch)?);
    refuse_existing(&file)?;
    let here = request.os == plugin_sdk::convert::go_os() && request.arch == plugin_sdk::convert::go_arch();
    if !here {
        return Err(PkgError::Refused("only packages for this machine can be built here".to_owned()));
    }
    let work = fresh_folder(&std::env::temp_dir(), &format!("build-{name}-"))?;
    let binaries = work.path().join("package");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--locked", "--bins"])
        // Packages travel; symbols do not help their users.
        .args(["--config", "profile.release.strip=true", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .args(["--message-format", "json-render-diagnostics"]);
    let executables = executables(&mut cargo)?;
    std::fs::create_dir(&binaries).map_err(|error| PkgError::io("create", &binaries, &error))?;
    let manifest = folder.join("manifest.yaml");
    for from in executables.iter().chain([&manifest]) {
        let to = binaries.join(from.file_name().unwrap_or_default());
        std::fs::copy(from, &to).map_err(|error| PkgError::io("copy", from, &error))?;
    }
    create(&binaries.join("manifest.yaml"), &version, &file, request.context, request.runtime)?;
    Ok(Built { file })
}

/// Runs cargo and collects the programs it says it made, wherever its target folder is.
fn executables(cargo: &mut Command) -> Result<Vec<PathBuf>, PkgError> {
    let refused = |why: String| PkgError::Refused(format!("cargo failed: {why}"));
    let output = cargo
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        return Err(refused(output.status.to_string()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(messages.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from)).collect())
}
