//! The package that the tests start, and contexts.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use connector_plugin::PluginCommand;
use kloset_connector::{ConnectorContext, ConnectorEvents, Location};

/// The local connector as a package: an example of this crate, built with its tests.
pub fn command(role: &str, extended: bool) -> PluginCommand {
    let mut command = PluginCommand::new("fs", example("serve_fs"));
    command.arguments = vec![role.to_owned()];
    command.extended = extended;
    command
}

/// An example of this crate.
pub fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("path of this test");
    let path = test.parent().and_then(Path::parent).expect("target folder").join("examples").join(name);
    assert!(path.exists(), "{} is missing: `cargo test -p connector-plugin` builds it", path.display());
    path
}

/// A shell script as a package.
pub fn script(text: &str) -> PluginCommand {
    let mut command = PluginCommand::new("odd", "/bin/sh");
    command.arguments = vec!["-c".to_owned(), text.to_owned()];
    command
}

/// The location of a local path.
pub fn location(path: &Path) -> Location {
    Location::parse(&format!("fs://{}", path.display()))
}

/// Remembers what a connector says.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl ConnectorEvents for Heard {
    fn warning(&self, text: &str) {
        self.0.lock().expect("not poisoned").push(text.to_owned());
    }

    fn stalled(&self, text: &str) {
        self.warning(text);
    }

    fn retried(&self, reason: &str) {
        self.warning(reason);
    }
}

/// A context whose words are kept.
pub fn context() -> (ConnectorContext, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let mut context = ConnectorContext::silent("/".into());
    context.events = Arc::<Heard>::clone(&heard);
    (context, heard)
}
