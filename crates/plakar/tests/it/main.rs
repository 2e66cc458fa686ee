//! Runs the built program in private homes: wiring, words, streams and exit codes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed helper fails its test, a skipped test says so"
)]

mod append_only;
mod archives;
mod backups;
mod browse;
mod codes;
mod completions;
mod config;
mod contract;
mod cures;
mod diagnostics;
mod extras;
mod foreign;
mod guide;
mod http;
mod interrupts;
mod lines;
mod maintenance;
mod manual;
mod package_mistakes;
mod packages;
mod ptar;
mod refusals;
mod report;
mod resume;
mod selection;
mod sftp;
mod snapshots;
mod streams;
mod support;
mod sync;
mod unstable;
mod words;

/// A test file that nobody lists would never run.
#[test]
fn every_test_file_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let listed = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(listed.contains(&format!("\nmod {module};\n")), "{name} is not listed");
        }
    }
}
