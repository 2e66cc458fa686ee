//! The client: a store that a server exports.

use std::time::Duration;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};
use kloset_format::Mac;
use ureq::http::Method;

use crate::connection::{Call, Connection, at_once};
use crate::wire;

/// Uploads at the same time.
const PUTS_AT_ONCE: usize = 4;
/// Cheaper to fetch along than to ask again.
pub(crate) const GAP_BYTES: u64 = 256 << 10;

/// A store behind HTTP.
pub struct HttpStorage {
    connection: Connection,
}

impl HttpStorage {
    /// Names a store; nothing is sent yet. Options: `auth_token`, `insecure`, `ca`, `tls_no_verify`.
    pub fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        Ok(Self { connection: Connection::new(location, options, context)? })
    }

    fn call(&self, call: &Call<'_>) -> Result<Vec<u8>, ConnectorError> {
        self.connection.call(call)
    }

    fn get_range(&self, request: &RangeRequest) -> Result<Bytes, ConnectorError> {
        let path = path_of(request.file, &request.name);
        let short = |message: String| {
            ConnectorError::new(
                ErrorKind::Corrupt,
                "read",
                format!("{}{path}", self.connection.place.url),
                message,
            )
        };
        let wanted = usize::try_from(request.length).ok();
        let range = wire::encode_range(request.offset, request.length);
        let (Some(wanted), Some(range)) = (wanted, range) else {
            return Err(short("a range that no file has".to_owned()));
        };
        let call = Call::get("read", path.clone(), wanted.saturating_add(1)).with_range(range);
        let mut body = self.call(&call)?;
        // Servers that count to the last byte inclusively send one more.
        body.truncate(wanted);
        if body.len() < wanted {
            return Err(short(format!("{} of {wanted} bytes came back", body.len())));
        }
        Ok(body.into())
    }
}

fn path_of(file: StoreFile, name: &[u8; 32]) -> String {
    format!("/resources/{}/{}", wire::folder(file), Mac(*name))
}

impl Storage for HttpStorage {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "http".to_owned(),
            location: self.connection.place.url.clone(),
            origin: self.connection.place.host.clone(),
            root: self.connection.place.path.clone(),
            writable: true,
            puts_at_once: PUTS_AT_ONCE,
            gets_at_once: 2,
            gap_bytes: GAP_BYTES,
        }
    }

    fn create(&self, config: &[u8]) -> Result<(), ConnectorError> {
        self.call(&Call::without_answer("create", Method::PUT, "/".to_owned(), Some(config))).map(drop)
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        self.call(&Call::get("read", "/".to_owned(), wire::CONFIG_BYTES_MAX))
    }

    fn list(&self, file: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let path = format!("/resources/{}?details=1", wire::folder(file));
        let body = self.call(&Call::get("list", path, wire::LIST_BYTES_MAX))?;
        wire::decode_list(&body).map_err(|what| {
            let message = format!("the listing cannot be used: {what}");
            let location = format!("{}/resources/{}", self.connection.place.url, wire::folder(file));
            ConnectorError::new(ErrorKind::Corrupt, "list", location, message)
        })
    }

    fn put(&self, file: StoreFile, name: &[u8; 32], body: Bytes, _: PutMode) -> Result<(), ConnectorError> {
        // The server knows: locks are replaced, everything else never.
        self.call(&Call::without_answer("write", Method::PUT, path_of(file, name), Some(&body))).map(drop)
    }

    fn get(&self, file: StoreFile, name: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        self.call(&Call::get("read", path_of(file, name), wire::bytes_max(file)))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        at_once(requests.len(), &|index| {
            if let Some(request) = requests.get(index) {
                deliver(index, self.get_range(request));
            }
        });
    }

    fn delete(&self, file: StoreFile, name: &[u8; 32]) -> Result<(), ConnectorError> {
        match self.call(&Call::without_answer("remove", Method::DELETE, path_of(file, name), None)) {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn temporary_files(&self, older_than: Duration, remove: bool) -> Result<Vec<String>, ConnectorError> {
        let path = format!("/temporary?older_than={}", older_than.as_secs());
        let mut call = Call::get("list", path, wire::CONFIG_BYTES_MAX << 4);
        if remove {
            call.method = Method::DELETE;
        }
        let body = match self.call(&call) {
            // A server of the reference implementation does not look for them.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => {
                return Ok(Vec::new());
            }
            result => result?,
        };
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    fn ping(&self, report: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {
        match self.read_config() {
            Err(error) if error.kind != ErrorKind::NotFound => return report("connect", Err(error)),
            _ => report("connect", Ok(())),
        }
        let call = Call {
            bytes_max: wire::CONFIG_BYTES_MAX,
            ..Call::without_answer("ping", Method::POST, "/ping".to_owned(), None)
        };
        let steps: Vec<(String, Option<String>)> = match self.call(&call) {
            Ok(body) => serde_json::from_slice(&body).unwrap_or_default(),
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Unsupported) => Vec::new(),
            Err(error) => return report("ping", Err(error)),
        };
        for (step, failure) in steps {
            let result = match failure {
                None => Ok(()),
                Some(text) => Err(ConnectorError::new(
                    ErrorKind::Other,
                    "ping",
                    self.connection.place.url.clone(),
                    text,
                )),
            };
            report(&step, result);
        }
    }
}
