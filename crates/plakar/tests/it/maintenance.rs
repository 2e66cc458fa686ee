//! Pruning, maintenance, repair, duplicates, searches: wiring and lines.

use std::fs;

use crate::support::Home;

fn backed_up(home: &Home) -> String {
    let out = home.run(["-quiet", "at", "store", "backup", "data"]).ok();
    out[..8].to_owned()
}

fn packfiles(home: &Home) -> usize {
    let buckets = fs::read_dir(home.path("store/packfiles")).unwrap();
    buckets.map(|bucket| fs::read_dir(bucket.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn maintenance_marks_then_removes() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    home.run(["at", "store", "rm", "-apply", &id]).ok();
    let before = packfiles(&home);
    let out = home.run(["at", "store", "maintenance", "-dry-run"]).ok();
    assert!(out.contains(&format!("maintenance: would colour {before} packfiles (0 orphaned, ")), "{out}");
    let out = home.run(["at", "store", "maintenance"]).ok();
    assert_eq!(
        out,
        format!(
            "maintenance: Coloured {before} packfiles (0 orphaned) for deletion\n\
             Coloured packfiles are scheduled to be removed in 7d\n\
             maintenance: 0 blobs and 0 packfiles were removed\n"
        )
    );
    let soon = [("PLAKAR_GRACEPERIOD", "0")];
    let kept = [soon[0], ("PLAKAR_NODELETION", "true")];
    let said = home.run_with(["at", "store", "maintenance"], &[("PLAKAR_GRACEPERIOD", "soon")]).fails(1);
    assert!(said.contains("PLAKAR_GRACEPERIOD"), "{said}");
    let out = home.run_with(["at", "store", "maintenance", "-dry-run"], &soon).ok();
    assert!(out.contains(&format!(" and {before} packfiles (")), "{out}");
    home.run_with(["at", "store", "maintenance"], &kept).ok();
    assert_eq!(packfiles(&home), before);
    home.run_with(["at", "store", "maintenance"], &soon).ok();
    let out = home.run_with(["at", "store", "maintenance", "-repack"], &soon).ok();
    assert!(out.contains("packfiles were removed\n"), "{out}");
    assert!(
        out.contains("maintenance: merged 0 states\nmaintenance: 0 replaced states were removed\n"),
        "{out}"
    );
    assert_eq!(packfiles(&home), 0);
    let id = backed_up(&home);
    home.run(["at", "store", "check", &id]).ok();
}

#[test]
fn prune_plans_then_removes_and_policies_are_its_rules() {
    let home = Home::with_store_and_data();
    for day in ["2020-01-01", "2020-01-02"] {
        home.run(["at", "store", "backup", "-tag", "old", "-force-timestamp", day, "data"]).ok();
    }
    let new = backed_up(&home);
    home.run(["at", "store", "prune"]).fails(64);
    let plan = home.run(["at", "store", "prune", "-days", "7"]).ok();
    let lines: Vec<&str> = plan.lines().collect();
    assert_eq!(lines[0], "prune: would keep 1 and delete 2 snapshot(s), run with -apply to proceed");
    assert!(lines[1].starts_with("keep     20") && lines[1].contains(&format!("Z   {new}")), "{plan}");
    assert!(lines[1].contains("  match=day:20") && lines[1].ends_with(" rank=1 cap=none"), "{plan}");
    assert!(lines[2].starts_with("delete   2020-01-02T00:00:00Z   "), "{plan}");
    assert!(lines[2].contains(" tags=old  reason=outside retention windows"), "{plan}");
    let plan = home.run(["at", "store", "prune", "-tag", "old"]).ok();
    assert!(
        plan.starts_with("prune: would keep 2 and delete 0 ") && plan.contains("  reason=matched filters\n")
    );

    home.run(["policy", "add", "weekly", "days=7", "per-day=1", "before=3 months", "tags=old"]).ok();
    let shown = home.run(["policy", "show", "weekly"]).ok();
    assert!(shown.starts_with("weekly:\n    filters:\n        before: 20"), "{shown}");
    assert!(fs::read_to_string(home.path(".config/plakar/policies.yml")).unwrap().contains("weekly:"));
    home.run(["policy", "add", "weekly"]).fails(1);
    home.run(["policy", "set", "weekly", "days=-1"]).fails(1);
    home.run(["policy", "unset", "weekly", "per-day"]).ok();
    home.run(["at", "store", "prune", "-policy", "nobody"]).fails(1);
    let plan = home.run(["at", "store", "prune", "-policy", "weekly"]).ok();
    assert!(plan.starts_with("prune: would keep 0 and delete 2 "), "{plan}");
    let out = home.run(["at", "store", "prune", "-apply", "-policy", "weekly"]).ok();
    assert_eq!(out.matches("info: prune: removal of ").count(), 2, "{out}");
    assert_eq!(home.run(["at", "store", "ls"]).ok().lines().count(), 1);
    home.run(["policy", "rm", "weekly"]).ok();
    assert_eq!(home.run(["policy", "show"]).ok(), "");
}

#[test]
fn locate_finds_names_and_dup_makes_another_snapshot() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    let data = home.path("data").canonicalize().unwrap();
    let data = data.to_str().unwrap();
    let out = home.run(["at", "store", "locate", "*.txt"]).ok();
    assert_eq!(out, format!("{id}:{data}/docs/a.txt\n{id}:{data}/readme.txt\n"));
    assert_eq!(home.run(["at", "store", "locate", "nothing"]).ok(), "");
    assert_eq!(home.run(["at", "store", "locate"]).ok(), "");
    home.run(["at", "store", "locate", "[a"]).fails(1);
    let out = home.run(["at", "store", "dup", &id]).ok();
    let copy = out.lines().find(|line| line.contains(": backup completed without errors")).unwrap();
    assert!(!copy.starts_with(&id));
    let short = &copy[..8];
    let out = home.run(["at", "store", "locate", "-snapshot", short, "read*", "link"]).ok();
    assert_eq!(out, format!("{short}:{data}/link\n{short}:{data}/readme.txt\n"));
    home.run(["at", "store", "check"]).ok();
    home.run(["at", "store", "dup", "ffff"]).fails(1);
}

#[test]
fn repair_writes_lost_states_anew() {
    let home = Home::with_store_and_data();
    let id = backed_up(&home);
    assert_eq!(home.run(["at", "store", "repair"]).ok(), "info: no repairs needed\n");
    for bucket in fs::read_dir(home.path("store/states")).unwrap() {
        for state in fs::read_dir(bucket.unwrap().path()).unwrap() {
            fs::remove_file(state.unwrap().path()).unwrap();
        }
    }
    // The store is not what it was: it is not written to until that is accepted.
    home.run(["at", "store", "repair", "-apply"]).fails(65);
    let accept = "-accept-changed-store";
    let out = home.run([accept, "at", "store", "repair"]).ok();
    assert!(out.contains("packfiles that no state tells of\n"), "{out}");
    let out = home.run([accept, "at", "store", "repair", "-apply"]).ok();
    assert!(out.contains(&format!("repair: snapshot {id} is back\n")), "{out}");
    home.run(["at", "store", "check", &id]).ok();
    assert_eq!(home.run(["at", "store", "repair"]).ok(), "info: no repairs needed\n");
}
