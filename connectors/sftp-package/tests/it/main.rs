//! The programs of the package behind the host, against a private OpenSSH server.

use std::path::Path;

use connector_plugin::{PluginCommand, PluginDestination, PluginSource, PluginStorage};
use kloset_connector::{ConnectorContext, Location, Options};
use testkit::sshd::{ALIAS, Sshd};
use testkit::suites::{destination, source};
use testkit::tree::Fidelity;

fn location(path: &Path) -> Location {
    let path = path.display().to_string().replace('%', "%25").replace('#', "%23").replace('?', "%3F");
    Location::parse(&format!("sftp://{ALIAS}{path}"))
}

fn options(server: &Sshd) -> Options {
    Options::from([("ssh_config".to_owned(), server.ssh_config().display().to_string())])
}

#[test]
fn storage_program_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    let command = PluginCommand::new("sftp", env!("CARGO_BIN_EXE_sftpStorage"));
    let context = ConnectorContext::silent("/".into());
    testkit::suites::storage::run(&|path| {
        let storage = PluginStorage::new(&command, &location(path), &options(&server), &context);
        Box::new(storage.expect("the program starts"))
    });
}

#[test]
fn source_program_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    let command = PluginCommand::new("sftp", env!("CARGO_BIN_EXE_sftpImporter"));
    let context = ConnectorContext::silent("/".into());
    testkit::suites::source::run(&source::Factory {
        fidelity: Fidelity::sftp(),
        make: &|path, more| {
            let mut options = options(&server);
            options.extend(more.clone());
            Box::new(PluginSource::new(&command, &location(path), &options, &context).expect("named"))
        },
    });
}

#[test]
fn destination_program_keeps_the_contract() {
    let server = Sshd::start().expect("private sshd");
    let command = PluginCommand::new("sftp", env!("CARGO_BIN_EXE_sftpExporter"));
    let context = ConnectorContext::silent("/".into());
    testkit::suites::destination::run(&destination::Factory {
        fidelity: Fidelity::sftp(),
        make: &|path| {
            let made = PluginDestination::new(&command, &location(path), &options(&server), &context);
            Box::new(made.expect("named"))
        },
    });
}
