//! Packages: manifests, recipes, file names, versions.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use plakar_pkg::{Manifest, PackageName, Recipe, version};

fuzz_target!(|text: &str| {
    let path = Path::new("manifest.yaml");
    if let Ok(manifest) = Manifest::parse(text, path) {
        let _ = manifest.unknown_kinds();
    }
    if let Ok(recipe) = Recipe::parse(text, path) {
        assert!(version::is_valid(recipe.semver()));
        let _ = recipe.folder();
    }
    if let Ok(name) = PackageName::parse(text) {
        assert_eq!(name.to_string(), text);
    }
    if let Some((one, other)) = text.split_once(' ') {
        assert_eq!(version::compare(one, other), version::compare(other, one).reverse());
    }
});
