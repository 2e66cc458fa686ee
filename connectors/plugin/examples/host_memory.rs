//! Largest memory of a host, in MiB: `host_memory PROGRAM list COUNT` or `host_memory PROGRAM put MIB`,
//! PROGRAM being the example `serve_invented`.

#![allow(clippy::print_stdout, reason = "the figure is the result")]

use std::process::ExitCode;

use bytes::Bytes;
use connector_plugin::{PluginCommand, PluginStorage};
use kloset_connector::{ConnectorContext, Location, Options, PutMode, Storage, StoreFile};

/// What a packfile is at most; the engine has up to four on their way.
const BODY_BYTES: usize = 20 << 20;
const PUTS_AT_ONCE: u64 = 4;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [program, job, number] = words.as_slice() else { return ExitCode::FAILURE };
    let Ok(number) = number.parse::<u64>() else { return ExitCode::FAILURE };
    let location = Location::parse(&format!("invented:{}", if job == "list" { number } else { 0 }));
    let command = PluginCommand::new("invented", program);
    let context = ConnectorContext::silent("/".into());
    let store = PluginStorage::new(&command, &location, &Options::new(), &context).expect("it starts");
    match job.as_str() {
        "list" => {
            let listed = store.list(StoreFile::Packfile).expect("list");
            assert_eq!(listed.len() as u64, number);
        }
        _ => put(&store, number << 20),
    }
    println!("{}", peak_mib());
    ExitCode::SUCCESS
}

/// Puts packfiles of `total` bytes in all.
fn put(store: &PluginStorage, total: u64) {
    std::thread::scope(|scope| {
        for thread in 0..PUTS_AT_ONCE {
            scope.spawn(move || {
                let rounds = (total / PUTS_AT_ONCE).div_ceil(BODY_BYTES as u64);
                for round in 0..rounds {
                    let body = Bytes::from(vec![round as u8; BODY_BYTES]);
                    let name = [thread as u8; 32];
                    store.put(StoreFile::Packfile, &name, body, PutMode::Immutable).expect("put");
                }
            });
        }
    });
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("largest resident size");
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).expect("a number");
    kib >> 10
}
