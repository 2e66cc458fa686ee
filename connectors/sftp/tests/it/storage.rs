//! Stores behind SFTP.

use testkit::sshd::Sshd;

use crate::support::storage;

#[test]
fn storage_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    testkit::suites::storage::run(&|path| Box::new(storage(&server, path)));
}
