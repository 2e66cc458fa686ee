//! Opens the store of a command: resolve, connect, read CONFIG, unlock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kloset::repository::{LockedStore, OpenOptions};
use kloset::{OpenError, Repository};
use kloset_connector::Storage;
use kloset_connector::layer::Traffic;

use crate::app::App;
use crate::connectors;
use crate::error::Failure;
use crate::passphrase::{self, Secret, StoreSecrets};
use crate::report::Side;
use crate::resolve::{self, Place};

/// A store that is reached but not read.
pub struct Connected {
    /// Its files.
    pub storage: Arc<dyn Storage>,
    /// For messages.
    pub shown: String,
    /// What passes to and from it.
    pub traffic: Arc<Traffic>,
    /// What the configuration knows of its passphrase.
    pub secrets: StoreSecrets,
}

impl Connected {
    /// The store's own folder, if it lies on this machine.
    pub fn local_directory(&self) -> Option<Vec<u8>> {
        local_directory(self.storage.as_ref())
    }
}

fn local_directory(storage: &dyn Storage) -> Option<Vec<u8>> {
    let info = storage.info();
    // The root of a single-file store may be a URL.
    if !matches!(info.kind.as_str(), "fs" | "ptar") || !info.root.starts_with('/') {
        return None;
    }
    // Sources report resolved paths, so the store's must be resolved as well.
    let path = std::fs::canonicalize(&info.root).unwrap_or_else(|_| info.root.into());
    Some(std::os::unix::ffi::OsStringExt::into_vec(path.into_os_string()))
}

/// An opened store.
pub struct Opened {
    /// The repository.
    pub repository: Arc<Repository>,
    /// What passes to and from the store.
    pub traffic: Arc<Traffic>,
    shown: String,
    secret: Option<Secret>,
}

impl Opened {
    /// The store's own folder, if it lies on this machine.
    pub fn local_directory(&self) -> Option<Vec<u8>> {
        local_directory(self.repository.storage().as_ref())
    }

    /// The location for messages, without secrets.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Bytes read from and written to the store so far.
    pub fn bytes(&self) -> (u64, u64) {
        (self.traffic.read_bytes.load(Ordering::Relaxed), self.traffic.written_bytes.load(Ordering::Relaxed))
    }
}

/// Tells the recorder which store the command is about to use, if that can be told.
pub fn announce(app: &App) {
    if let Ok(place) = resolve::store(app) {
        app.ui.recorder().place(Side::Store, shown_whole(app, &place));
    }
}

/// The same words whether the store can be reached or not, and wherever the program is started.
fn shown_whole(app: &App, place: &Place) -> String {
    let mut place = place.clone();
    if matches!(place.location.scheme.as_str(), "fs" | "ptar") {
        let path = app.working_directory().join(&place.location.rest);
        place.location.rest = path.to_string_lossy().into_owned();
    }
    place.shown()
}

/// Reaches the store of the command without reading it.
pub fn connect(app: &App) -> Result<Connected, Failure> {
    connect_side(app, Side::Store, resolve::store(app)?)
}

fn connect_side(app: &App, side: Side, place: Place) -> Result<Connected, Failure> {
    app.ui.recorder().place(side, shown_whole(app, &place));
    let connected = connect_place(app, place)?;
    app.ui.recorder().connected(side, &connected.traffic);
    Ok(connected)
}

/// Reaches the store at a place without reading it.
pub fn connect_place(app: &App, mut place: Place) -> Result<Connected, Failure> {
    let secrets = StoreSecrets::take(&mut place.options);
    let traffic = Arc::new(Traffic::default());
    let storage = connectors::storage(&app.packages(), &place, &app.connector_context(), &traffic)
        .map_err(|error| Failure::open(place.shown(), OpenError::Storage(error)))?;
    let shown = crate::config::mask::location(&storage.info().location).into_owned();
    Ok(Connected { storage, shown, traffic, secrets })
}

/// Opens the store of the command.
pub fn open(app: &App) -> Result<Opened, Failure> {
    let Connected { storage, shown, traffic, secrets } = connect(app)?;
    let failed = |error| Failure::open(shown.clone(), error);
    let locked = LockedStore::probe(storage, options(app)).map_err(|error| {
        let entry = matches!(error, OpenError::NotAStore).then(|| resolve::meant_entry(app)).flatten();
        match entry {
            Some(name) => {
                failed(error).with_hint(format!("the configuration has a store of that name: @{name}"))
            }
            None => failed(error),
        }
    })?;
    let (repository, secret) = unlock(app, locked, &secrets, &failed)?;
    app.ui.recorder().opened(Side::Store, repository.id());
    Ok(Opened { repository: Arc::new(repository), traffic, shown, secret })
}

/// Opens the other store of a sync.
pub fn open_peer(app: &App, place: Place) -> Result<Opened, Failure> {
    let Connected { storage, shown, traffic, secrets } = connect_side(app, Side::Peer, place)?;
    let failed = |error| Failure::open(shown.clone(), error);
    let mut locked = LockedStore::probe(storage, options(app)).map_err(&failed)?;
    if !locked.is_encrypted() {
        let repository = locked.unlock(None).map_err(|(_, error)| failed(error))?;
        return Ok(Opened { repository: Arc::new(repository), traffic, shown, secret: None });
    }
    for secret in passphrase::for_peer(&secrets)? {
        match locked.unlock(Some(&secret)) {
            Ok(repository) => {
                let (repository, secret) = (Arc::new(repository), Some(secret));
                return Ok(Opened { repository, traffic, shown, secret });
            }
            Err((again, OpenError::WrongPassphrase)) => locked = again,
            Err((_, error)) => return Err(failed(error)),
        }
    }
    let question = format!("passphrase of {shown}: ");
    let (repository, secret) = ask_and_unlock(app, locked, &question, &failed)?;
    Ok(Opened { repository: Arc::new(repository), traffic, shown, secret: Some(secret) })
}

/// Opens a store once more, to see what has been added.
pub fn reopen(app: &App, opened: Opened) -> Result<Opened, Failure> {
    let failed = |error| Failure::open(opened.shown.clone(), error);
    let storage = Arc::clone(opened.repository.storage());
    let locked = LockedStore::probe(storage, options(app)).map_err(failed)?;
    let secret = opened.secret.as_ref().map(|secret| secret.as_slice());
    let repository = locked.unlock(secret).map_err(|(_, error)| failed(error))?;
    Ok(Opened { repository: Arc::new(repository), ..opened })
}

fn options(app: &App) -> OpenOptions {
    OpenOptions {
        cache: Some(app.directories.store_cache()),
        memory: Some(app.directories.store_memory()),
        acceptance: app.acceptance(),
        runtime: app.runtime(),
        monitor: Arc::clone(&app.ui) as _,
    }
}

fn unlock(
    app: &App,
    locked: LockedStore,
    secrets: &StoreSecrets,
    failed: &dyn Fn(OpenError) -> Failure,
) -> Result<(Repository, Option<Secret>), Failure> {
    if !locked.is_encrypted() {
        let repository = locked.unlock(None).map_err(|(_, error)| failed(error))?;
        return Ok((repository, None));
    }
    if let Some((secret, place)) = passphrase::without_asking(app, secrets)? {
        let repository = locked.unlock(Some(&secret)).map_err(|(_, error)| wrong(error, &place, failed))?;
        return Ok((repository, Some(secret)));
    }
    let (repository, secret) = ask_and_unlock(app, locked, "repository passphrase: ", failed)?;
    Ok((repository, Some(secret)))
}

fn ask_and_unlock(
    app: &App,
    mut locked: LockedStore,
    question: &str,
    failed: &dyn Fn(OpenError) -> Failure,
) -> Result<(Repository, Secret), Failure> {
    for _ in 0..passphrase::TRIES {
        let secret = passphrase::ask(question)?;
        app.proceed()?;
        match locked.unlock(Some(&secret)) {
            Ok(repository) => return Ok((repository, secret)),
            Err((again, OpenError::WrongPassphrase)) => {
                app.ui.report("wrong passphrase\n");
                locked = again;
            }
            Err((_, error)) => return Err(failed(error)),
        }
    }
    Err(Failure::passphrase(OpenError::WrongPassphrase.to_string()))
}

/// A wrong passphrase is told with the place it came from, and without the advice about another location.
fn wrong(error: OpenError, place: &str, failed: &dyn Fn(OpenError) -> Failure) -> Failure {
    match error {
        OpenError::WrongPassphrase => Failure::passphrase(error.to_string())
            .with_hint(format!("the passphrase from {place} is not that of this store")),
        error => failed(error),
    }
}
