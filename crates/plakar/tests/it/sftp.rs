//! Stores, sources and destinations behind a private OpenSSH server.

use testkit::sshd::{ALIAS, Sshd};

use crate::support::{Home, Ran};

/// A home whose `ssh` knows a private server; `None` (said aloud) without OpenSSH.
fn server() -> Option<(Home, Sshd)> {
    if !Sshd::available() {
        eprintln!("skipped: no OpenSSH server here");
        return None;
    }
    Some((Home::with_store_and_data(), Sshd::start().unwrap()))
}

fn run(home: &Home, sshd: &Sshd, words: &[&str]) -> Ran {
    let path = format!("{}:/usr/bin:/bin", sshd.program_folder().display());
    home.run_with(words, &[("PATH", &path)])
}

#[test]
fn everything_works_over_sftp_as_it_does_here() {
    let Some((home, sshd)) = server() else { return };
    let place = |name: &str| format!("sftp://{ALIAS}{}", home.path(name).display());
    home.run(["store", "add", "far", &place("far/store"), "passphrase=secret"]).ok();
    home.run(["source", "add", "data", &place("data")]).ok();
    run(&home, &sshd, &["at", "@far", "create"]).ok();
    let out = run(&home, &sshd, &["at", "@far", "backup", "@data"]).ok();
    assert!(out.contains("backup completed without errors in "), "{out}");
    let listed = run(&home, &sshd, &["at", "@far", "ls", "-origin", ALIAS, "-type", "sftp"]).ok();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert_eq!(run(&home, &sshd, &["at", "@far", "cat", ":readme.txt"]).ok(), "hello\n");
    let ping = run(&home, &sshd, &["store", "ping", "far"]).ok();
    assert!(ping.ends_with("configuration OK\n") && ping.lines().count() > 1, "{ping}");
    run(&home, &sshd, &["source", "check", "data"]).ok();
    run(&home, &sshd, &["at", "@far", "restore", "-to", &place("out"), ":docs"]).ok();
    assert_eq!(std::fs::read(home.path("out/a.txt")).unwrap().len(), 3000);
}

#[test]
fn unreachable_stores_are_66_and_sources_and_destinations_69() {
    let Some((home, sshd)) = server() else { return };
    home.run(["at", "store", "backup", "data"]).ok();
    sshd.forge_known_hosts().unwrap();
    let far = format!("sftp://{ALIAS}{}", home.path("data").display());
    for (words, code) in [
        (&["-retry-timeout", "0", "at", &far, "ls"][..], 66),
        (&["-retry-timeout", "0", "at", "store", "backup", &far], 69),
        (&["-retry-timeout", "0", "at", "store", "restore", "-to", &far], 69),
    ] {
        let err = run(&home, &sshd, words).fails(code);
        assert!(err.to_lowercase().contains("host key"), "{words:?}: {err}");
    }
}

#[test]
fn first_connection_that_is_cut_is_tried_again_until_patience_ends() {
    let Some((home, sshd)) = server() else { return };
    home.run(["at", "store", "backup", "data"]).ok();
    let proxy = testkit::proxy::Proxy::start(sshd.port(), std::time::Duration::ZERO).unwrap();
    let config = sshd.ssh_config_for("shaky", proxy.port(), &[]).unwrap();
    let wrapper = sshd.program_folder().join("ssh");
    std::fs::write(&wrapper, format!("#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n", config.display()))
        .unwrap();
    let far = format!("sftp://{ALIAS}{}", home.path("data").display());
    proxy.refuse(true);
    for (words, code) in [
        (&["-retry-timeout", "2s", "at", &far, "ls"][..], 66),
        (&["-retry-timeout", "2s", "at", "store", "backup", &far], 69),
        (&["-retry-timeout", "2s", "at", "store", "restore", "-to", &far], 69),
    ] {
        let err = run(&home, &sshd, words).fails(code);
        assert!(err.contains("trying again") && err.contains("before the login"), "{words:?}: {err}");
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(2));
            proxy.refuse(false);
        });
        run(&home, &sshd, &["at", "store", "backup", "-report", "r.json", &far]).ok();
    });
    let report = std::fs::read_to_string(home.path("r.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert!(report["retries"].as_u64().unwrap() > 0 && report["result"] == "done", "{report}");
}
