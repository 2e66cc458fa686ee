//! A server for a folder, and clients for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use connector_fs::FsStorage;
use connector_http::{Deletion, HttpStorage, StoreService};
use http_server::{Listener, TlsFiles, serve};
use kloset_connector::{
    ConnectorContext, ConnectorError, Listed, Location, Options, PutMode, RangeRequest, Storage, StorageInfo,
    StoreFile,
};

pub struct Server {
    pub url: String,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn start(folder: &Path, deletion: Deletion, token: Option<&str>) -> Self {
        Self::start_on("127.0.0.1:0", folder, deletion, token, None)
    }

    pub fn start_on(
        address: &str,
        folder: &Path,
        deletion: Deletion,
        token: Option<&str>,
        tls: Option<&TlsFiles>,
    ) -> Self {
        let location = Location::parse(&format!("fs:{}", folder.display()));
        let storage = FsStorage::new(&location, &Options::new(), &ConnectorContext::silent("/".into()));
        let storage = Arc::new(storage.expect("a named folder"));
        let service = Arc::new(StoreService::new(storage, deletion, token.map(str::to_owned)));
        let listener = Listener::bind(address, tls).expect("listen");
        let url = listener.url().expect("bound");
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = std::thread::spawn(move || serve(listener, service, &flag).expect("serve"));
        Self { url, stop, thread: Some(thread) }
    }

    pub fn client(&self, options: &[(&str, &str)]) -> HttpStorage {
        client(&self.url, options)
    }

    pub fn address(&self) -> &str {
        self.url.split_once("://").expect("a URL").1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn client(url: &str, options: &[(&str, &str)]) -> HttpStorage {
    let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    HttpStorage::new(&Location::parse(url), &options, &ConnectorContext::silent("/".into()))
        .expect("a good URL")
}

/// A client together with the server that it talks to.
pub struct Both {
    pub client: HttpStorage,
    pub _server: Server,
}

impl Storage for Both {
    fn info(&self) -> StorageInfo {
        self.client.info()
    }
    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.client.create(config)
    }
    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.client.read_config()
    }
    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        self.client.list(file)
    }
    fn put(
        &self,
        file: StoreFile,
        name: &[u8; 32],
        body: Bytes,
        mode: PutMode,
    ) -> Result<(), ConnectorError> {
        self.client.put(file, name, body, mode)
    }
    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.client.get(file, name)
    }
    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        self.client.get_ranges(requests, deliver);
    }
    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        self.client.delete(file, name)
    }
    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        self.client.temporary_files(older_than, remove)
    }
    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        self.client.ping(report);
    }
}
