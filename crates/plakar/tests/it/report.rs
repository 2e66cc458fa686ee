//! `-report FILE`: what it says after success, partial success and failure, in both forms.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::Home;

fn report(home: &Home, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(home.path(name)).unwrap()).unwrap()
}

#[test]
fn a_backup_reports_what_it_did() {
    let home = Home::with_store_and_data();
    let ran = home.run(["at", "store", "backup", "-report", "r.json", "data"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let found = report(&home, "r.json");
    assert_eq!(found["report_version"], 1);
    assert_eq!(found["command"], "backup");
    assert_eq!((&found["result"], &found["exit_code"]), (&"done".into(), &0.into()));
    assert!(found["program"].as_str().unwrap().starts_with("plakar/v"));
    assert!(found["started"].as_str().unwrap() <= found["finished"].as_str().unwrap());
    assert_eq!(found["failure"], Value::Null);
    let location = format!("fs://{}", home.path("store").display());
    assert_eq!(found["store"]["location"], location.as_str());
    assert_eq!(found["store"]["id"].as_str().unwrap().len(), 36);
    assert!(found["store"]["written_bytes"].as_u64().unwrap() > 3000);
    assert_eq!(found["peer"], Value::Null);
    let id = found["snapshots"][0]["id"].as_str().unwrap();
    assert!(ran.out.contains(&format!("{}: backup completed without errors", &id[..8])));
    let counts = &found["counts"];
    assert_eq!(counts["snapshots"], 1);
    assert_eq!(counts["entries_failed"], 0);
    assert_eq!(counts["content_bytes"], 3006);
    assert_eq!(counts["source_read_bytes"], 3006);
    assert_eq!(counts["destination_written_bytes"], Value::Null);
    assert_eq!((&found["retries"], &found["error_count"]), (&0.into(), &0.into()));
    for empty in ["errors", "warnings"] {
        assert_eq!(found[empty].as_array().unwrap().len(), 0, "{empty}");
    }
    home.run(["at", "store", "backup", "-report=r.json", "data"]).ok();
    let second = report(&home, "r.json");
    assert_eq!(second["counts"]["files_unchanged"], 2, "{second}");
    assert_eq!(second["counts"]["source_read_bytes"], 0);
    assert_eq!(fs::read_dir(home.path("")).unwrap().filter(is_temporary).count(), 0);
}

fn is_temporary(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp")
}

#[test]
fn damage_is_listed_with_path_and_cause() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    for packfile in packfiles(&home) {
        let mut bytes = fs::read(&packfile).unwrap();
        let end = bytes.len().min(4096);
        bytes[..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::set_permissions(&packfile, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&packfile, bytes).unwrap();
    }
    home.run(["at", "store", "check", "-report", "r.json"]).fails(65);
    let found = report(&home, "r.json");
    assert_eq!((&found["result"], &found["exit_code"]), (&"failed".into(), &65.into()));
    assert_eq!(found["failure"]["message"], "check failed for 1 snapshot");
    assert_eq!(found["counts"]["snapshots_failed"], 1);
    let errors = found["errors"].as_array().unwrap();
    assert_eq!(found["error_count"], errors.len());
    assert!(!errors.is_empty());
    for error in errors {
        assert!(!error["cause"].as_str().unwrap().is_empty(), "{error}");
        assert!(error["path"].is_string() || error["object"].is_string(), "{error}");
    }
}

fn packfiles(home: &Home) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for folder in fs::read_dir(home.path("store/packfiles")).unwrap() {
        let folder = folder.unwrap().path();
        found.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn a_store_that_cannot_be_opened_is_reported_in_both_forms() {
    let home = Home::new();
    let location = format!("fs://{}", home.path("nothing").display());
    home.run(["at", "nothing", "restore", "-report", "r.json"]).fails(66);
    let found = report(&home, "r.json");
    assert_eq!((&found["command"], &found["exit_code"]), (&"restore".into(), &66.into()));
    assert_eq!(found["store"]["location"], location.as_str());
    assert_eq!(found["store"]["id"], Value::Null);
    let message = found["failure"]["message"].as_str().unwrap();
    assert!(message.starts_with("failed to open the repository at fs://"), "{message}");
    home.run(["at", "nothing", "check", "-report", "r.prom"]).fails(66);
    let text = fs::read_to_string(home.path("r.prom")).unwrap();
    let line = |name: &str| format!("{name}{{command=\"check\",location=\"{location}\"}} ");
    assert!(text.contains(&format!("\n{}66\n", line("plakar_last_run_exit_code"))), "{text}");
    assert!(text.contains(&format!("\n{}0\n", line("plakar_last_run_success"))), "{text}");
    assert!(!text.contains("plakar_last_success_timestamp_seconds"), "{text}");
}

#[test]
fn prometheus_text_is_well_formed_and_remembers_the_last_success() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "-report", "r.prom", "data"]).ok();
    let good = fs::read_to_string(home.path("r.prom")).unwrap();
    let mut described = Vec::new();
    for line in good.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.strip_suffix(" gauge").unwrap();
            assert!(!described.contains(&name), "{name} twice");
            described.push(name);
        } else if !line.starts_with("# HELP ") {
            let (name, rest) = line.split_once('{').unwrap();
            assert!(described.contains(&name), "{line}");
            let (_, value) = rest.rsplit_once("} ").unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(good.contains(",kind=\"content_bytes\"} 3006\n"), "{good}");
    let success = |text: &str| {
        let found = text.lines().find(|line| line.starts_with("plakar_last_success_timestamp_seconds{"));
        found.unwrap().to_owned()
    };
    fs::rename(home.path("store"), home.path("away")).unwrap();
    home.run(["at", "store", "backup", "-report", "r.prom", "data"]).fails(66);
    let bad = fs::read_to_string(home.path("r.prom")).unwrap();
    assert_eq!(success(&bad), success(&good));
    assert!(bad.contains("plakar_last_run_exit_code{command=\"backup\","), "{bad}");
}

#[test]
fn sync_reports_both_stores() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    home.run(["at", "other", "create", "-plaintext"]).ok();
    home.run(["at", "store", "sync", "-report", "r.json", "to", "other"]).ok();
    let found = report(&home, "r.json");
    assert_eq!(found["counts"]["snapshots"], 1);
    assert_eq!(found["counts"]["snapshots_failed"], 0);
    assert!(found["store"]["read_bytes"].as_u64().unwrap() > 0);
    assert!(found["peer"]["written_bytes"].as_u64().unwrap() > 3000, "{found}");
    assert_ne!(found["peer"]["id"], found["store"]["id"]);
}

#[test]
fn a_restore_reports_what_it_wrote() {
    let home = Home::with_store_and_data();
    home.run(["at", "store", "backup", "data"]).ok();
    home.run(["at", "store", "restore", "-to", "out", "-report", "r.json"]).ok();
    let found = report(&home, "r.json");
    assert_eq!(found["counts"]["destination_written_bytes"], 3006);
    assert_eq!(found["snapshots"][0]["operation"], "restore");
    // A folder stands where a file belongs.
    fs::create_dir(home.path("second")).unwrap();
    fs::create_dir(home.path("second/readme.txt")).unwrap();
    home.run(["at", "store", "restore", "-to", "second", "-report", "r.json"]).fails(3);
    let found = report(&home, "r.json");
    assert_eq!((&found["result"], &found["exit_code"]), (&"partial".into(), &3.into()));
    assert_eq!(found["counts"]["entries_failed"], 1);
    assert!(found["errors"][0]["path"].as_str().unwrap().ends_with("/readme.txt"), "{found}");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let home = Home::with_store_and_data();
    let err = home.run(["at", "store", "backup", "-report", "no/r.json", "data"]).fails(1);
    assert!(err.contains(": cannot write the report no/r.json: no such file or directory\n"), "{err}");
    // What is worse stays.
    home.run(["at", "nothing", "check", "-report", "no/r.json"]).fails(66);
    // A pipe is written to, not replaced.
    let out = home.run(["-silent", "at", "store", "check", "-report", "/dev/stdout"]).ok();
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["exit_code"], 0);
    home.run(["at", "store", "ls", "-report", "r.json"]).fails(2);
}
