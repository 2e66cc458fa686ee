//! What the recorder keeps.

use super::*;
use kloset_format::Mac;

fn written(recorder: &Recorder, name: &str, code: u8) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let result = Ok(Outcome::Done);
    recorder.write(&path, &Ending { command: "check", result: &result, code }).unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn errors_keep_paths_exactly_and_are_listed_up_to_a_bound() {
    let recorder = Recorder::new();
    let snapshot = SnapshotId([7; 32]);
    recorder.event(Event::PathFailed { snapshot, path: b"/a\xff", reason: "why" });
    recorder.event(Event::ObjectFailed { snapshot, object: Mac([1; 32]), reason: "gone" });
    recorder.event(Event::PathFailed { snapshot: SnapshotId::ZERO, path: b"/b", reason: "dry" });
    for _ in 0..ERRORS_LISTED_MAX {
        recorder.error("no path");
    }
    let report: Value = serde_json::from_str(&written(&recorder, "r.json", 65)).unwrap();
    assert_eq!(report["error_count"], ERRORS_LISTED_MAX + 3);
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), ERRORS_LISTED_MAX);
    let names = ["snapshot", "path", "path_base64", "object", "cause"];
    let fields = names.map(|name| errors[0][name].clone());
    let id = "07".repeat(32);
    assert_eq!(fields, [json!(id), json!("/a\u{fffd}"), json!("L2H/"), Value::Null, json!("why")]);
    assert_eq!(errors[1]["object"], "01".repeat(32));
    assert_eq!(errors[2]["snapshot"], Value::Null);
    assert_eq!(errors[3]["path"], Value::Null);
}

#[test]
fn numbers_and_limitations_reach_both_forms() {
    let recorder = Recorder::new();
    recorder.count(Counts { snapshots: Some(1), ..Counts::default() });
    recorder.count(Counts { snapshots: Some(2), entries: Some(0), ..Counts::default() });
    recorder.limitation(Limitation::Owner, 4);
    recorder.retried();
    recorder.place(Side::Store, "fs:///a\"b".to_owned());
    let report: Value = serde_json::from_str(&written(&recorder, "r.json", 0)).unwrap();
    assert_eq!(report["counts"]["snapshots"], 3);
    assert_eq!(report["counts"]["entries"], 0);
    assert_eq!(report["counts"]["content_bytes"], Value::Null);
    assert_eq!(report["limitations"], json!({ "owner": 4 }));
    assert_eq!(report["retries"], 1);
    let text = written(&recorder, "r.prom", 0);
    let labels = "command=\"check\",location=\"fs:///a\\\"b\"";
    for line in [
        format!("plakar_last_run_retries{{{labels}}} 1\n"),
        format!("plakar_last_run_count{{{labels},kind=\"snapshots\"}} 3\n"),
        format!("plakar_last_run_not_expressed{{{labels},what=\"owner\"}} 4\n"),
        format!("plakar_last_run_success{{{labels}}} 1\n"),
    ] {
        assert!(text.contains(&line), "{line} in {text}");
    }
}

#[test]
fn results_have_four_words() {
    let recorder = Recorder::new();
    for (code, word) in [(0, "done"), (3, "partial"), (1, "failed"), (65, "failed")] {
        assert!(written(&recorder, "r.json", code).contains(&format!("\"result\": \"{word}\"")), "{code}");
    }
}
