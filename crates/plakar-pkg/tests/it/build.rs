//! Building from a recipe: git, make, package.

use std::path::Path;
use std::process::{Command, Stdio};

use plakar_pkg::{BuildRequest, Recipe, Upgrade, go_arch, go_os};

use crate::support::{Place, context, file_name, names, runtime};

const MAKEFILE: &str = "all:\n\tprintf '#!/bin/sh\\n' > serve\n\tchmod 755 serve\n";
const MANIFEST: &str = "name: demo\nconnectors:\n- type: storage\n  protocols: [demo]\n  executable: serve\n";

fn git(folder: &Path, words: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "init.defaultBranch=main"])
        .args(words)
        .current_dir(folder)
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "git {words:?}");
}

/// A repository whose sources lie in `folder`, with a tag.
fn repository(place: &Place, folder: &str, tag: &str) -> String {
    let root = place.temp.path().join("repository");
    let sources = root.join(folder);
    std::fs::create_dir_all(&sources).expect("folder");
    std::fs::write(sources.join("Makefile"), MAKEFILE).expect("write");
    std::fs::write(sources.join("manifest.yaml"), MANIFEST).expect("write");
    git(&root, &["init", "-q"]);
    git(&root, &["add", "."]);
    git(&root, &["commit", "-qm", "first"]);
    git(&root, &["tag", tag]);
    format!("file://{}", root.display())
}

fn build(place: &Place, recipe: &Recipe) -> Result<std::path::PathBuf, String> {
    let (context, runtime) = (context(), runtime());
    let out = place.temp.path().join("out");
    std::fs::create_dir_all(&out).expect("folder");
    let request = BuildRequest {
        out: &out,
        os: go_os(),
        arch: go_arch(),
        clone_token: None,
        context: &context,
        runtime: &runtime,
    };
    plakar_pkg::build(recipe, &request).map(|built| built.file).map_err(|error| error.to_string())
}

#[test]
fn a_recipe_becomes_a_package_that_installs() {
    for (folder, tag) in [("", "v0.3.0"), ("sub/demo", "sub/demo/v0.3.0")] {
        let place = Place::new();
        let repository = repository(&place, folder, tag);
        let recipe = Recipe { name: "demo".to_owned(), version: tag.to_owned(), repository };
        let file = build(&place, &recipe).expect("built");
        assert_eq!(file.file_name().expect("name").to_string_lossy(), file_name("demo", "v0.3.0"));
        place.packages.add(&file, Upgrade::Refuse).expect("installed");
        assert!(build(&place, &recipe).expect_err("it is there").contains("file exists"));
        assert_eq!(names(&place.temp.path().join("out")).len(), 1);
    }
}

#[test]
fn a_wrong_tag_is_named() {
    let place = Place::new();
    let repository = repository(&place, "", "v0.3.0");
    let recipe = Recipe { name: "demo".to_owned(), version: "v9.9.9".to_owned(), repository };
    let error = build(&place, &recipe).expect_err("no such tag");
    assert!(error.starts_with("failed to clone file://"), "{error}");
    assert!(error.contains(": v9.9.9: git clone failed: exit status: 128"), "{error}");
}
