//! The whole benchmark against a stand-in for plakar that copies trees.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const HONEST: &str = "";
const FORGETFUL: &str = "find \"$3\" -type f | head -n 1 | xargs rm";
const CORRUPTING: &str = "printf x >> \"$(find \"$3\" -type f | head -n 1)\"";

/// Writes a program that knows plakar's command lines; `after_restore` runs at the end of a restore.
fn fake_plakar(folder: &Path, after_restore: &str) -> PathBuf {
    let script = format!(
        r#"#!/bin/sh
# The far side is this machine, so its paths are ours.
near() {{ printf '%s' "${{1#sftp://sftp-test}}"; }}
while [ $# -gt 0 ]; do
  case "$1" in
    version) echo "plakar/fake"; exit 0 ;;
    -quiet) shift ;;
    -cpu|-keyfile) shift 2 ;;
    at) store="$(near "$2")"; shift 2; break ;;
    *) echo "flag provided but not defined: $1" >&2; exit 2 ;;
  esac
done
case "$1" in
  create) mkdir "$store" ;;
  backup) rm -rf "$store/tree"; cp -r "$(near "$2")" "$store/tree" ;;
  ls)
    if [ "$2" = -recursive ]; then
      [ "$3" = 681fecbe ] && find "$store/tree" -mindepth 1
    elif [ -e "$store/tree" ]; then
      echo "2026-11-22T23:42:30Z   681fecbe   2.9 MiB        0s /data"
    fi ;;
  restore) set -- restore -to "$(near "$3")"; cp -r "$store/tree" "$3"; {after_restore} ;;
  check) ;;
esac
"#
    );
    let path = folder.join("plakar");
    fs::write(&path, script).expect("the test's folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the script is ours");
    path
}

fn bench(folder: &Path, after_restore: &str, workload: &str, more: &[&str]) -> Output {
    let plakar = fake_plakar(folder, after_restore);
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("--work")
        .arg(folder.join("work"))
        .arg("--plakar")
        .arg(&plakar)
        .arg(format!("--other-plakar={}=twin", plakar.display()))
        .args(["--program", "plakar,twin", "--scale", "0.004", "--runs", "2", "--workload", workload])
        .args(more)
        .output()
        .expect("the benchmark starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_local_job_is_measured_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let output = bench(folder.path(), HONEST, "small", &["--json", json.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let jobs: Vec<&str> =
        figures["jobs"].as_array().unwrap().iter().map(|job| job["job"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["open", "first", "unchanged", "ls", "restore", "check", "changed"]);
    let first = &figures["jobs"][1];
    assert_eq!(first["lines"].as_array().unwrap().len(), 2);
    assert_eq!(first["lines"][0]["wall_runs_s"].as_array().unwrap().len(), 2);
    assert_eq!(first["ratios"][0]["other"], "twin");
    assert_eq!(first["ratios"][0]["fastest"], true);
    assert!(text(&output.stdout).contains("ours = "));
    assert!(fs::read_dir(folder.path().join("work/runs")).unwrap().next().is_none(), "runs are cleaned up");
}

#[test]
fn sftp_jobs_run_against_a_private_server() {
    let folder = tempfile::tempdir().unwrap();
    if !Path::new("/usr/sbin/sshd").exists() {
        eprintln!("skipped: no sshd on this machine");
        return;
    }
    let json = folder.path().join("figures.json");
    let more = ["--rtt", "6", "--json", json.to_str().unwrap()];
    let output = bench(folder.path(), HONEST, "sftp", &more);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let jobs = figures["jobs"].as_array().unwrap();
    assert!(jobs.iter().all(|job| job["workload"] == "sftp-6ms"));
    assert_eq!(jobs.len(), 8);
}

#[test]
fn restore_that_forgets_a_file_fails_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), FORGETFUL, "small", &["--job", "restore"]);
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("FAILED: small plakar restore"), "{}", text(&output.stdout));
}

#[test]
fn restore_that_changes_a_file_fails_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), CORRUPTING, "small", &["--job", "restore"]);
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("restored something else"));
}

#[test]
fn unknown_program_is_refused_with_those_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let output = bench(folder.path(), HONEST, "small", &["--program", "nosuch"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("no program nosuch; there are: plakar, twin"));
}
