//! What a package costs the host in memory, whatever goes through it.

use std::process::Command;

use crate::support::example;

/// The limit for a listing of a hundred thousand names, and for any number of packfiles.
const MIB_MAX: u64 = 256;

fn peak_mib(job: &str, number: &str) -> u64 {
    let output = Command::new(example("host_memory"))
        .arg(example("serve_invented"))
        .args([job, number])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn a_listing_of_a_hundred_thousand_names_fits() {
    let peak = peak_mib("list", "100000");
    assert!(peak < MIB_MAX, "{peak} MiB");
}

#[test]
fn packfiles_are_not_kept_after_they_were_put() {
    let peak = peak_mib("put", "320");
    assert!(peak < MIB_MAX, "{peak} MiB");
}

#[test]
#[ignore = "two gibibytes through two pipes"]
fn two_gibibytes_of_packfiles_fit() {
    let peak = peak_mib("put", "2048");
    assert!(peak < MIB_MAX, "{peak} MiB");
}
