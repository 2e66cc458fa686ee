//! `plakar create`.

use clap::Parser;
use kloset::repository::{self, CreateOptions};
use kloset_codec::compress::Compression;
use kloset_codec::hash::HashAlgorithm;

use crate::app::App;
use crate::commands::Run;
use crate::error::{Failure, Outcome};
use crate::open;
use crate::passphrase::{self, Weak};

/// Make a new store
#[derive(Parser)]
#[command(
    name = "create",
    long_about = "Makes the store that `at LOCATION` names: encrypted with a passphrase, compressed, \
                  deduplicated.\n\nThe passphrase comes from -keyfile, from `passphrase` or `passphrase_cmd` of \
                  the store's configuration entry, from $PLAKAR_PASSPHRASE, or is asked for twice. Nobody can \
                  read the store without it; keep it in a safe place."
)]
pub struct Create {
    /// Do not encrypt
    #[arg(long)]
    plaintext: bool,

    /// Hash that names contents: BLAKE3 or SHA256
    #[arg(long, value_name = "ALGO", default_value = "BLAKE3")]
    hashing: String,

    /// Do not compress
    #[arg(long)]
    no_compression: bool,

    /// Accept a weak passphrase
    #[arg(long)]
    weak_passphrase: bool,
}

impl Run for Create {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let hashing = HashAlgorithm::from_config(&self.hashing)
            .ok_or_else(|| Failure::refused(format!("unknown hashing algorithm {}", self.hashing)))?;
        let connected = open::connect(app)?;
        let passphrase = if self.plaintext {
            None
        } else if let Some((secret, _)) = passphrase::without_asking(app, &connected.secrets)? {
            Some(secret)
        } else {
            // Told before anybody types a passphrase.
            if connected.storage.read_config().is_ok() {
                return Err(in_use(format!("a store is there already: {}", connected.shown)));
            }
            let weak = if self.weak_passphrase { Weak::Accept } else { Weak::AskAgain };
            Some(passphrase::ask_new(app, weak)?)
        };
        app.proceed()?;
        let options = CreateOptions {
            hashing,
            compression: (!self.no_compression).then_some(Compression::Lz4),
            passphrase,
        };
        repository::create_and_remember(
            connected.storage.as_ref(),
            &options,
            &app.runtime(),
            app.directories.store_memory(),
        )
        .map_err(|error| create_failure(error, connected.shown))?;
        Ok(Outcome::Done)
    }
}

fn in_use(message: String) -> Failure {
    Failure::refused(message).with_hint(
        "a new store wants a folder that is empty or not there; `plakar at LOCATION ls` opens a store",
    )
}

/// A folder that is in use is a refusal, not a store that cannot be opened.
fn create_failure(error: kloset::OpenError, location: String) -> Failure {
    match &error {
        kloset::OpenError::Storage(inner) if inner.kind == kloset_connector::ErrorKind::AlreadyExists => {
            in_use(inner.message.clone())
        }
        _ => Failure::open(location, error),
    }
}
