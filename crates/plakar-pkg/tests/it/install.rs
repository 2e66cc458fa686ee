//! Making, installing, finding, removing.

use std::os::unix::fs::PermissionsExt;

use plakar_pkg::{Added, PkgError, Role, Upgrade};

use crate::support::{Place, file_name, names};

#[test]
fn a_package_is_made_installed_found_and_removed() {
    let place = Place::new();
    let file = place.make("demo", "v1.0.0", "demo");
    let mode = std::fs::metadata(&file).expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let added = place.packages.add(&file, Upgrade::Refuse).expect("installed");
    assert_eq!(added, Added::Installed(vec!["inventory".to_owned()]));
    // Nothing but the package, the lock, and the unpacked folder.
    let stem = file_name("demo", "v1.0.0").trim_end_matches(".ptar").to_owned();
    assert_eq!(names(&place.data()), [".lock".to_owned(), format!("{stem}.ptar")]);
    assert_eq!(names(&place.cache()), std::slice::from_ref(&stem));
    assert_eq!(
        std::fs::read(place.data().join(format!("{stem}.ptar"))).unwrap(),
        std::fs::read(&file).unwrap()
    );

    let command = place.packages.connector("demo", Role::Source, &|_| true).unwrap().expect("it serves");
    assert_eq!(command.executable, place.cache().join(&stem).join("bin/serve"));
    assert!(command.local_paths);
    let mode = std::fs::metadata(&command.executable).expect("unpacked").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert!(place.packages.connector("demo", Role::Storage, &|_| true).unwrap().is_none());
    assert!(place.packages.connector("other", Role::Source, &|_| true).unwrap().is_none());

    // The cache is disposable.
    std::fs::remove_dir_all(place.cache()).expect("remove");
    assert!(place.packages.connector("demo", Role::Source, &|_| true).unwrap().is_some());
    assert!(command.executable.is_file());

    assert!(place.packages.remove("demo").unwrap());
    assert!(!place.packages.remove("demo").unwrap());
    assert_eq!(names(&place.data()), [".lock"]);
    assert_eq!(names(&place.cache()), Vec::<String>::new());
}

#[test]
fn versions_replace_each_other_upwards_only() {
    let place = Place::new();
    let (one, two) =
        (place.make("demo", "v1.0.0-beta.9", "demo"), place.make("demo", "v1.0.0-beta.10", "demo"));
    place.packages.add(&one, Upgrade::Refuse).expect("installed");
    for file in [&one, &two] {
        let error = place.packages.add(file, Upgrade::Refuse).expect_err("there is one");
        assert_eq!(error.to_string(), "already installed");
    }
    assert!(matches!(place.packages.add(&two, Upgrade::Older), Ok(Added::Installed(_))));
    assert_eq!(place.packages.add(&one, Upgrade::Older).expect("kept"), Added::Kept);
    assert_eq!(place.packages.add(&two, Upgrade::Older).expect("kept"), Added::Kept);
    let installed = place.packages.list().expect("list");
    assert_eq!(installed.len(), 1);
    assert_eq!(installed[0].name.version, "v1.0.0-beta.10");
    assert_eq!(names(&place.cache()).len(), 1);
}

#[test]
fn two_packages_cannot_serve_one_scheme() {
    let place = Place::new();
    place.packages.add(&place.make("one", "v1.0.0", "demo"), Upgrade::Refuse).expect("installed");
    let error = place.packages.add(&place.make("two", "v1.0.0", "demo"), Upgrade::Refuse).expect_err("taken");
    assert_eq!(error.to_string(), "protocol demo already provided by another installed package");
    assert_eq!(place.packages.list().expect("list").len(), 1);
    assert_eq!(names(&place.cache()).len(), 1);
}

#[test]
fn names_for_other_machines_and_malformed_ones_are_refused() {
    let place = Place::new();
    let file = place.make("demo", "v1.0.0", "demo");
    let other = place.temp.path().join("demo_v1.0.0_plan9_amd64.ptar");
    std::fs::copy(&file, &other).expect("copy");
    assert!(matches!(place.packages.add(&other, Upgrade::Refuse), Err(PkgError::OtherPlatform)));
    let bad = place.temp.path().join("bad.ptar");
    std::fs::copy(&file, &bad).expect("copy");
    let error = place.packages.add(&bad, Upgrade::Refuse).expect_err("malformed");
    assert_eq!(error.to_string(), "invalid package name \"bad.ptar\": is malformed");
}

#[test]
fn preference_is_remembered_until_the_package_goes() {
    let place = Place::new();
    assert!(matches!(place.packages.prefer("demo"), Err(PkgError::NotInstalled(_))));
    place.packages.add(&place.make("demo", "v1.0.0", "demo"), Upgrade::Refuse).expect("installed");
    place.packages.prefer("demo").expect("installed");
    assert!(place.packages.is_preferred("demo"));
    place.packages.prefer_built_in("demo").expect("written");
    assert!(!place.packages.is_preferred("demo"));
    place.packages.prefer("demo").expect("installed");
    place.packages.remove("demo").expect("removed");
    assert!(!place.packages.is_preferred("demo"));
}

#[test]
fn mistakes_in_making_leave_no_file() {
    let place = Place::new();
    let sources = tempfile::tempdir().expect("folder");
    std::fs::write(sources.path().join("x"), b"#!/bin/sh").expect("write");
    let connector = |what: &str| format!("name: d\nconnectors:\n- type: storage\n  {what}\n");
    for (manifest, words) in [
        (connector("executable: x"), "Not executable: "),
        (connector("executable: missing"), "missing"),
        (connector("executable: /x"), "not below the manifest: /x"),
        (connector("executable: ../x"), "not below the manifest: ../x"),
    ] {
        let error = place.make_from(sources.path(), &manifest, "made.ptar").expect_err(&manifest);
        assert!(error.to_string().contains(words), "{error}");
    }
    std::os::unix::fs::symlink("/bin/sh", sources.path().join("link")).expect("link");
    let error =
        place.make_from(sources.path(), &connector("executable: link"), "made.ptar").expect_err("outside");
    assert!(error.to_string().contains("not below the manifest"), "{error}");
    assert_eq!(names(place.temp.path()), Vec::<String>::new());

    let file = place.make("demo", "v1.0.0", "demo");
    let before = std::fs::read(&file).expect("read");
    let again = place.make_from(sources.path(), "name: d\n", &file_name("demo", "v1.0.0"));
    assert!(again.expect_err("exists").to_string().contains("file exists"));
    assert_eq!(std::fs::read(&file).expect("read"), before);
}
