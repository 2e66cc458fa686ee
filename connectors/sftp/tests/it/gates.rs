//! How fast it must be at a round trip of 40 ms, login excluded. Run in release mode with
//! `--ignored --nocapture --test-threads 1`; `ROUND_TRIP_MS` is another round trip. Half of a gate is
//! for work, which stays; the other half is for waiting, which grows with the round trip.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kloset_connector::{Destination, FileContent, PutMode, RangeRequest, Storage, StoreFile, Target};
use kloset_format::{FileInfo, FileMode};
use testkit::proxy::Proxy;
use testkit::sshd::Sshd;

use crate::destination::{Outcomes, destination_by};
use crate::source::{read, requests, scan, source_by};
use crate::support::{context, storage_by};

/// A server half a round trip away.
struct Far {
    _server: Sshd,
    _proxy: Proxy,
    config: std::path::PathBuf,
    temp: tempfile::TempDir,
}

impl Far {
    fn start() -> Self {
        let server = Sshd::start().expect("private sshd");
        let proxy = Proxy::start(server.port(), Duration::from_millis(round_trip_ms()) / 2).expect("proxy");
        let config = server.ssh_config_for("far", proxy.port(), &[]).expect("config");
        Self { _server: server, _proxy: proxy, config, temp: tempfile::tempdir().expect("folder") }
    }
}

fn round_trip_ms() -> u64 {
    std::env::var("ROUND_TRIP_MS").map_or(40, |text| text.parse().expect("milliseconds"))
}

/// A gate at the round trip that is measured.
fn scaled(gate: Duration) -> Duration {
    gate / 2 + gate * round_trip_ms() as u32 / 80
}

/// The best time of each measurement; others at work on the machine spoil single ones.
#[derive(Default)]
struct Best(std::cell::RefCell<std::collections::BTreeMap<&'static str, (Duration, Duration)>>);

impl Best {
    fn measure<T>(&self, what: &'static str, gate: Duration, work: impl FnOnce() -> T) -> T {
        let gate = scaled(gate);
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        eprintln!("{what}: {:.2} s (gate {:.1} s)", took.as_secs_f64(), gate.as_secs_f64());
        let mut all = self.0.borrow_mut();
        let best = all.entry(what).or_insert((took, gate));
        best.0 = best.0.min(took);
        result
    }
}

impl Drop for Best {
    fn drop(&mut self) {
        for (what, (best, gate)) in self.0.borrow().iter() {
            assert!(std::thread::panicking() || best < gate, "{what}: {best:?}");
        }
    }
}

fn build(root: &Path) {
    for folder in 0..20 {
        for inner in 0..20 {
            let path = root.join(format!("d{folder}/e{inner}"));
            std::fs::create_dir_all(&path).expect("folders");
            for file in 0..50 {
                std::fs::write(path.join(format!("file{file}")), [b'x'; 64]).expect("write");
            }
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn twenty_thousand_files_are_listed_and_fetched() {
    let far = Far::start();
    let best = Best::default();
    build(far.temp.path());
    let source = source_by(&far.config, far.temp.path(), &context().0);
    source.warm_up().expect("channels");
    for _ in 0..3 {
        let found = best.measure("list 20,000 files", Duration::from_millis(1500), || scan(&source));
        let wanted = requests(&found);
        assert_eq!(wanted.len(), 20_000);
        let contents = best.measure("fetch 20,000 files", Duration::from_secs(4), || read(&source, wanted));
        assert_eq!(contents.files.lock().expect("lock").len(), 20_000);
    }
}

fn small_file(number: usize) -> FileContent {
    let mut info = FileInfo::made_up_directory(format!("f{number}").as_bytes());
    info.mode = FileMode(0o644);
    info.size = 4096;
    let target = Target {
        path: format!("d{}/f{number}", number % 50).into_bytes(),
        info,
        xattrs: Vec::new(),
        link: None,
    };
    FileContent { target, pieces: vec![Bytes::from(vec![number as u8; 4096])] }
}

#[test]
#[ignore = "a measurement"]
fn five_thousand_files_are_uploaded() {
    let far = Far::start();
    let best = Best::default();
    for round in 0..3 {
        let root = far.temp.path().join(format!("r{round}"));
        let destination = destination_by(&far.config, &root, &context().0);
        destination.prepare().expect("prepare");
        destination.warm_up().expect("channels");
        let folders: Vec<Target> = (0..50)
            .map(|number| Target {
                path: format!("d{number}").into_bytes(),
                info: FileInfo::made_up_directory(b"d"),
                xattrs: Vec::new(),
                link: None,
            })
            .collect();
        best.measure("upload 5,000 files", Duration::from_secs(2), || {
            Outcomes::of(|report| destination.directories(&folders, report)).all_good(50);
            let next = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        while let batch @ 0..10 = next.fetch_add(1, Ordering::Relaxed) {
                            let files = (batch * 500..(batch + 1) * 500).map(small_file).collect();
                            Outcomes::of(|report| destination.files(files, report)).all_good(500);
                        }
                    });
                }
            });
        });
    }
}

#[test]
#[ignore = "a measurement"]
fn packfiles_go_there_and_back() {
    let far = Far::start();
    let best = Best::default();
    let mut seed = 1u64;
    let body: Vec<u8> = (0..(20 << 20) / 8)
        .flat_map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed ^ (seed >> 29)).to_le_bytes()
        })
        .collect();
    let body = Bytes::from(body);
    for round in 0..3u8 {
        let store = storage_by(&far.config, &far.temp.path().join(format!("s{round}")), &context().0);
        store.warm_up().expect("channels");
        best.measure("create", Duration::from_secs(3), || store.create(b"config").expect("create"));
        let next = AtomicUsize::new(0);
        best.measure("put 240 MiB", Duration::from_secs(3), || {
            std::thread::scope(|scope| {
                for _ in 0..store.info().puts_at_once {
                    scope.spawn(|| {
                        while let number @ 0..12 = next.fetch_add(1, Ordering::Relaxed) {
                            let name = [number as u8; 32];
                            store
                                .put(StoreFile::Packfile, &name, body.clone(), PutMode::Immutable)
                                .expect("put");
                        }
                    });
                }
            });
        });
        let listed = best.measure("list packfiles", Duration::from_millis(500), || {
            store.list(StoreFile::Packfile).expect("list")
        });
        assert_eq!(listed.len(), 12);
        best.measure("get 20 MiB", Duration::from_secs(2), || {
            assert_eq!(store.get(StoreFile::Packfile, &[3; 32]).expect("get"), body);
        });
        let ranges: Vec<RangeRequest> = (0..2000u64)
            .map(|number| RangeRequest {
                file: StoreFile::Packfile,
                name: [(number % 12) as u8; 32],
                offset: number * 10_007,
                length: 4000,
            })
            .collect();
        let count = AtomicUsize::new(0);
        best.measure("get 2,000 ranges", Duration::from_secs(1), || {
            store.get_ranges(&ranges, &|_, result| {
                assert_eq!(result.expect("range").len(), 4000);
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 2000);
        std::fs::remove_dir_all(far.temp.path().join(format!("s{round}"))).expect("room");
    }
}
