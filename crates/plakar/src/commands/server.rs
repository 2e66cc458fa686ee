//! `plakar server`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use connector_http::{Deletion, StoreService};
use http_server::{ListenError, Listener, TlsFiles};
use kloset_connector::error::io_message;

use crate::app::App;
use crate::commands::Run;
use crate::connectors::SERVER_TOKEN;
use crate::error::{Failure, Outcome};
use crate::{open, served};

/// Export the store by HTTP
#[derive(Parser)]
#[command(
    name = "server",
    long_about = "Exports the files of a store of any kind: `plakar at http://HOST:PORT COMMAND` works on it. The server \
                  needs no passphrase and cannot read what it serves.\n\nWhoever reaches it can read and add files, \
                  unless there is a token: the first line of the file of -token-file, or $PLAKAR_SERVER_TOKEN. Clients \
                  show it from the store's option auth_token or from the same variable. Files are never replaced, and \
                  removed only with -allow-delete. Ends with an interrupt."
)]
pub struct Server {
    /// Where to listen
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9876")]
    listen: String,

    /// Let clients remove files of the store
    #[arg(long)]
    allow_delete: bool,

    /// Certificates for https, PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// File with the token that clients must show
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Run for Server {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let tls = tls_files(self.cert, self.key)?;
        let token = match &self.token_file {
            Some(path) => Some(read_token(path)?),
            None => std::env::var(SERVER_TOKEN).ok().filter(|token| !token.is_empty()),
        };
        let connected = open::connect(app)?;
        let listener = Listener::bind(&self.listen, tls.as_ref()).map_err(|error| failure(&error))?;
        let address = listener.address().map_err(|error| failure(&error))?;
        if token.is_none() && !address.ip().is_loopback() {
            app.ui.warn("there is no token: whoever reaches this address can read and add to the store");
        }
        app.ui.info(&format!("listening on {}", listener.url().map_err(|error| failure(&error))?));
        app.ui.flush()?;
        let deletion = if self.allow_delete { Deletion::Allowed } else { Deletion::LocksOnly };
        let service = StoreService::new(Arc::clone(&connected.storage), deletion, token);
        served::until_interrupted(app, listener, service)
    }
}

/// Certificate and key, both or none.
pub fn tls_files(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, Failure> {
    match (cert, key) {
        (Some(certificates), Some(key)) => Ok(Some(TlsFiles { certificates, key })),
        (None, None) => Ok(None),
        _ => Err(Failure::usage("-cert and -key belong together")),
    }
}

/// A failure to listen.
pub fn failure(error: &ListenError) -> Failure {
    Failure::refused(error.to_string())
}

fn read_token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::refused(format!("{}: {}", path.display(), io_message(&error))))?;
    let token = text.lines().next().map(str::trim).unwrap_or_default();
    if token.is_empty() {
        return Err(Failure::refused(format!("{}: there is no token in it", path.display())));
    }
    Ok(token.to_owned())
}
