//! Packages whose bytes are wrong: refused at installation, reported and kept afterwards.

use plakar_pkg::{PkgError, Role, Upgrade};

use crate::support::{Place, file_name, names};

#[test]
fn a_flipped_byte_anywhere_that_counts_is_found() {
    let place = Place::new();
    let file = place.make("demo", "v1.0.0", "demo");
    let good = std::fs::read(&file).expect("read");
    let step = good.len() / 40;
    for at in (0..good.len()).step_by(step).chain([0, 13, good.len() - 49, good.len() - 1]) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        std::fs::write(&file, &bytes).expect("write");
        let result = place.packages.add(&file, Upgrade::Refuse);
        let error = result.expect_err("a damaged package");
        assert!(!format!("{error} {error:?}").contains(".pkg-"), "names the copy: {error:?}");
        assert_eq!(place.packages.list().expect("list"), []);
        assert_eq!(names(&place.cache()), Vec::<String>::new(), "byte {at}");
        assert_eq!(names(&place.data()), [".lock"], "byte {at}");
    }
    for length in [0, 11, 59, good.len() / 2, good.len() - 1] {
        std::fs::write(&file, &good[..length]).expect("write");
        assert!(place.packages.add(&file, Upgrade::Refuse).is_err(), "{length} bytes");
    }
    std::fs::write(&file, &good).expect("write");
    place.packages.add(&file, Upgrade::Refuse).expect("the good one");
}

#[test]
fn something_else_is_not_a_package() {
    let place = Place::new();
    let file = place.temp.path().join(file_name("demo", "v1.0.0"));
    std::fs::write(&file, vec![b'x'; 5000]).expect("write");
    let error = place.packages.add(&file, Upgrade::Refuse).expect_err("no package");
    assert_eq!(error.to_string(), "invalid magic");
}

#[test]
fn an_installed_package_that_is_damaged_is_reported_and_kept() {
    let place = Place::new();
    place.packages.add(&place.make("demo", "v1.0.0", "demo"), Upgrade::Refuse).expect("installed");
    place.packages.add(&place.make("fine", "v1.0.0", "fine"), Upgrade::Refuse).expect("installed");
    let installed = place.data().join(file_name("demo", "v1.0.0"));
    let mut bytes = std::fs::read(&installed).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&installed, &bytes).expect("write");
    std::fs::remove_dir_all(place.cache()).expect("remove");
    let error = place.packages.connector("demo", Role::Source, &|_| true).expect_err("damaged");
    assert!(matches!(error, PkgError::Damaged { .. }), "{error}");
    assert!(installed.exists());
    // Others go on working.
    assert!(place.packages.connector("fine", Role::Source, &|_| true).expect("fine").is_some());
    assert_eq!(place.packages.list().expect("list").len(), 2);
}
