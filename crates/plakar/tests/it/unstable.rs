//! Whole runs over a line that fails; the long version is `soak` of the benchmarks.

use std::time::Duration;

use testkit::soak::{Plan, run};
use testkit::sshd::Sshd;

#[test]
fn runs_over_a_failing_line_end_well_or_leave_nothing_false() {
    if !Sshd::available() {
        eprintln!("skipped: no OpenSSH server here");
        return;
    }
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_plakar").into(),
        seed: 4,
        runs: 3,
        freeze_seconds: (5, 6),
        round_trip: Duration::from_millis(10),
        bytes: 8 << 20,
        rate: "4M",
        verifier: None,
    };
    let summary = run(plan, &mut |line| eprintln!("{line}")).unwrap();
    assert!(summary.violations.is_empty(), "{:#?}", summary.violations);
    assert_eq!(summary.good, 3, "each fault is one that is outlived");
}
