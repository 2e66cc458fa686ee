//! Stores, sources and destinations behind a private OpenSSH server.

use testkit::sshd::{ALIAS, Sshd, SshdOptions};

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

#[test]
fn places_that_may_not_be_written_come_with_the_cure() {
    let Some((home, _)) = server() else { return };
    home.run(["at", "store", "backup", "data"]).ok();
    let sshd = Sshd::start_with(SshdOptions { read_only: true, ..SshdOptions::default() }).unwrap();
    let far = |name: &str| format!("sftp://{ALIAS}{}", home.path(name).display());
    let cure = "the account on the server may not write there: look with `sftp HOST`";
    for words in [
        &["at", &far("new"), "create", "-plaintext"][..],
        &["at", &far("store"), "backup", "data"],
        &["at", "store", "restore", "-to", &far("out")],
    ] {
        let ran = run(&home, &sshd, words);
        assert!(ran.code != 0 && ran.err.contains(": permission denied"), "{words:?}: {ran:?}");
        assert!(ran.err.contains(&format!("hint: {cure}")), "{words:?}: {ran:?}");
    }
    // Every path fails for the same reason: the cure is told once.
    std::fs::create_dir(home.path("out")).unwrap();
    let err = run(&home, &sshd, &["at", "store", "restore", "-to", &far("out")]).fails(3);
    assert_eq!(err.matches(cure).count(), 1, "{err}");
    assert!(err.matches("permission denied").count() > 1, "{err}");
}

#[test]
fn two_clients_and_a_check_work_on_one_store_at_once() {
    let Some((home, sshd)) = server() else { return };
    let far = format!("sftp://{ALIAS}{}", home.path("far").display());
    let clients = [home, Home::with_store_and_data(), Home::with_store_and_data()];
    let [first, second, checker] = &clients;
    run(first, &sshd, &["at", &far, "create", "-plaintext"]).ok();
    for (client, seed) in [(first, 1u8), (second, 2)] {
        for file in 0..20u8 {
            let body: Vec<u8> = (0..400_000u32)
                .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed ^ file)
                .collect();
            std::fs::write(client.path(format!("data/{seed}-{file}")), body).unwrap();
        }
    }
    run(first, &sshd, &["at", &far, "backup", "data"]).ok();
    let working = std::sync::atomic::AtomicUsize::new(2);
    std::thread::scope(|scope| {
        for client in [first, second] {
            let (sshd, far, working) = (&sshd, &far, &working);
            scope.spawn(move || {
                for round in 0..3 {
                    std::fs::write(client.path("data/round"), format!("{far} {round}")).unwrap();
                    let ran = run(client, sshd, &["at", far, "backup", "data"]);
                    working.fetch_sub(
                        usize::from(ran.code != 0 || round == 2),
                        std::sync::atomic::Ordering::Relaxed,
                    );
                    ran.ok();
                }
            });
        }
        let mut checks = 0;
        while checks == 0 || working.load(std::sync::atomic::Ordering::Relaxed) > 0 {
            run(checker, &sshd, &["at", &far, "check"]).ok();
            checks += 1;
        }
    });
    assert_eq!(run(checker, &sshd, &["at", &far, "ls"]).ok().lines().count(), 7);
    run(checker, &sshd, &["at", &far, "check"]).ok();
    for client in [first, second] {
        let root = client.path("data").display().to_string();
        let words = ["at", &far, "ls", "-latest", "-uuid", "-root", &root];
        let listed = run(checker, &sshd, &words).ok();
        let id = listed.split_whitespace().nth(1).expect("an id").to_owned();
        let out = checker.path(format!("out-{}", &id[..8]));
        run(checker, &sshd, &["at", &far, "restore", "-to", out.to_str().unwrap(), &id]).ok();
        let fidelity = testkit::tree::Fidelity::sftp();
        testkit::tree::assert_same_tree(&client.path("data"), &out, fidelity);
    }
}
