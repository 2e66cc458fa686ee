//! Servers and contexts for the tests.

use std::path::Path;
use std::sync::{Arc, Mutex};

use connector_sftp::SftpStorage;
use kloset_connector::{ConnectorContext, ConnectorEvents, Location, Options};
use testkit::sshd::{ALIAS, Sshd};

/// Remembers what a connector says.
#[derive(Default)]
pub struct Heard {
    pub warnings: Mutex<Vec<String>>,
    pub stalls: Mutex<Vec<String>>,
    pub retries: Mutex<Vec<String>>,
}

impl ConnectorEvents for Heard {
    fn warning(&self, text: &str) {
        self.warnings.lock().expect("not poisoned").push(text.to_owned());
    }

    fn stalled(&self, text: &str) {
        self.stalls.lock().expect("not poisoned").push(text.to_owned());
    }

    fn retried(&self, reason: &str) {
        self.retries.lock().expect("not poisoned").push(reason.to_owned());
    }
}

/// A context whose words are kept.
pub fn context() -> (ConnectorContext, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let mut context = ConnectorContext::silent("/".into());
    context.events = Arc::<Heard>::clone(&heard);
    (context, heard)
}

/// Options that name a client configuration.
pub fn options(config: &Path) -> Options {
    Options::from([("ssh_config".to_owned(), config.display().to_string())])
}

/// The location of a local path behind the private server.
pub fn location(path: &Path) -> Location {
    let escaped: String =
        path.display().to_string().replace('%', "%25").replace('#', "%23").replace('?', "%3F");
    Location::parse(&format!("sftp://{ALIAS}{escaped}"))
}

/// A storage for a local path behind `server`.
pub fn storage(server: &Sshd, path: &Path) -> SftpStorage {
    storage_by(&server.ssh_config(), path, &context().0)
}

/// A storage by a client configuration.
pub fn storage_by(config: &Path, path: &Path, context: &ConnectorContext) -> SftpStorage {
    SftpStorage::new(&location(path), &options(config), context).expect("a good location")
}
