//! A package in another language, from its sources to all three roles: Python with grpcio, where
//! there is one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::packages::{OS, arch};
use crate::support::{Home, Ran, ran};

/// The folder of a `python3` that has grpcio: that of `$PLAKAR_TEST_PYTHON`, else of the system.
fn python() -> Option<PathBuf> {
    let python = PathBuf::from(std::env::var("PLAKAR_TEST_PYTHON").unwrap_or("/usr/bin/python3".to_owned()));
    let has_grpc = Command::new(&python).args(["-c", "import grpc"]).stderr(Stdio::null()).status();
    if !has_grpc.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {} has no grpcio; PLAKAR_TEST_PYTHON may name one that has", python.display());
        return None;
    }
    Some(python.parent().unwrap().to_owned())
}

fn write(path: &Path, content: &[u8], mode: u32) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_python_package_serves_all_three_roles() {
    let Some(python) = python() else { return };
    let home = Home::new();
    let run = |words: &[&str]| -> Ran {
        let mut command = home.command();
        command.args(words).env("PATH", format!("{}:/usr/bin:/bin", python.display()));
        command.env("PLUGIN_REPORT", home.path("report"));
        ran(command.output().unwrap())
    };
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/plugin/tests/python/manifest.yaml");
    run(&["pkg", "create", manifest.to_str().unwrap(), "v0.1.0"]).ok();
    run(&["pkg", "add", &format!("./py_v0.1.0_{OS}_{}.ptar", arch())]).ok();
    assert_eq!(run(&["pkg", "list"]).ok(), "py@v0.1.0\n");

    let data = home.path("data");
    std::fs::create_dir_all(data.join("folder/empty")).unwrap();
    let large: Vec<u8> = (0..3_500_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    write(&data.join("large"), &large, 0o640);
    write(&data.join("folder/program"), b"#!/bin/sh\n", 0o755);
    write(&data.join("folder/nothing"), b"", 0o600);
    std::os::unix::fs::symlink("folder/program", data.join("link")).unwrap();

    // From the package into a store behind the package; `unreadable` is what it says it cannot read.
    run(&["at", "py:vault", "create", "-plaintext"]).ok();
    let err = run(&["at", "py:vault", "backup", "py:data"]).fails(3);
    assert!(!err.contains("Traceback"), "{err}");
    let report = std::fs::read_to_string(home.path("report")).unwrap();
    let (sent, acknowledged) = report.split_once(' ').unwrap();
    assert_eq!(sent, acknowledged, "every record is acknowledged");
    let listed = run(&["at", "py:vault", "ls", "-recursive", ":"]).ok();
    for mode in ["drwx", "-rw-r----- ", "-rwxr-xr-x ", "Lrwx"] {
        assert!(listed.contains(mode), "{mode} is not in {listed}");
    }
    run(&["at", "py:vault", "check"]).ok();

    // And back to the package.
    run(&["at", "py:vault", "restore", "-to", "py:back"]).ok();
    let back = home.path("back");
    assert!(std::fs::read(back.join("large")).unwrap() == large);
    assert_eq!(std::fs::read(back.join("folder/nothing")).unwrap(), b"");
    assert!(back.join("folder/empty").is_dir());
    assert_eq!(std::fs::read_link(back.join("link")).unwrap(), Path::new("folder/program"));
    let modes = ["large", "folder/program", "folder/nothing"].map(|name| mode(&back.join(name)));
    assert_eq!(modes, [0o640, 0o755, 0o600]);

    // The files of the store are an ordinary store's: a second backup stores nothing anew.
    let count = || std::fs::read_dir(home.path("vault")).unwrap().count();
    let before = count();
    run(&["at", "py:vault", "backup", "py:data"]).fails(3);
    assert!(count() - before <= 2, "one packfile of the snapshot itself, and one state");
    assert_eq!(run(&["at", "py:vault", "ls"]).ok().lines().count(), 2);
}
