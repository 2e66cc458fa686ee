//! A store that holds nothing, for the tests of memory: the location says how many packfiles it
//! lists, whatever is put is counted and dropped.

use std::process::ExitCode;

use bytes::Bytes;
use kloset_connector::{
    ConnectorContext, ConnectorError, ErrorKind, Listed, Location, Options, PutMode, RangeRequest, Storage,
    StorageInfo, StoreFile,
};

struct Invented {
    packfiles: u64,
}

impl Invented {
    fn new(location: &Location, _: &Options, _: &ConnectorContext) -> Result<Self, ConnectorError> {
        let packfiles = location.rest.parse().map_err(|_| refused("open", "a number is wanted"))?;
        Ok(Self { packfiles })
    }
}

fn refused(operation: &'static str, message: &str) -> ConnectorError {
    ConnectorError::new(ErrorKind::Unsupported, operation, "invented", message)
}

impl Storage for Invented {
    fn info(&self) -> StorageInfo {
        StorageInfo {
            kind: "invented".to_owned(),
            location: "invented".to_owned(),
            origin: String::new(),
            root: String::new(),
            writable: true,
            puts_at_once: 4,
            gets_at_once: 4,
            gap_bytes: 0,
        }
    }

    fn create(&self, _: &[u8]) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn read_config(&self) -> Result<Vec<u8>, ConnectorError> {
        Err(refused("open", "there is none"))
    }

    fn list(&self, _: StoreFile) -> Result<Vec<Listed>, ConnectorError> {
        let listed = (0..self.packfiles).map(|number| {
            let mut name = [7; 32];
            name[..8].copy_from_slice(&number.to_be_bytes());
            Listed { name, size: None, modified: None }
        });
        Ok(listed.collect())
    }

    fn put(&self, _: StoreFile, _: &[u8; 32], _: Bytes, _: PutMode) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn get(&self, _: StoreFile, _: &[u8; 32]) -> Result<Vec<u8>, ConnectorError> {
        Err(refused("read", "there is nothing"))
    }

    fn get_ranges(
        &self,
        requests: &[RangeRequest],
        deliver: &(dyn Fn(usize, Result<Bytes, ConnectorError>) + Sync),
    ) {
        for index in 0..requests.len() {
            deliver(index, Err(refused("read", "there is nothing")));
        }
    }

    fn delete(&self, _: StoreFile, _: &[u8; 32]) -> Result<(), ConnectorError> {
        Ok(())
    }

    fn ping(&self, _: &mut dyn FnMut(&str, Result<(), ConnectorError>)) {}
}

fn main() -> ExitCode {
    plugin_sdk::serve_storage(Invented::new)
}
