//! Where connections come in, and the certificate that is shown to them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why nobody can be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be used.
    #[error("cannot listen on {address}: {reason}")]
    Address {
        /// As given.
        address: String,
        /// Why.
        reason: String,
    },
    /// Certificate or key cannot be used.
    #[error("{}: {reason}", .path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The system refuses.
    #[error("cannot serve: {0}")]
    System(#[from] io::Error),
}

/// A certificate chain and its key, PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificates, the server's own first.
    pub certificates: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// A bound address.
pub struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// An error of the system without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split_once(" (os error ").map_or(text.clone(), |(words, _)| words.to_owned())
}

impl Listener {
    /// Binds `HOST:PORT`; port 0 takes any that is free.
    pub fn bind(address: &str, tls: Option<&TlsFiles>) -> Result<Self, ListenError> {
        let tls = tls.map(TlsFiles::load).transpose()?.map(Arc::new);
        // As elsewhere, `:PORT` means all addresses.
        let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
        let socket = TcpListener::bind(&full)
            .map_err(|error| ListenError::Address { address: address.to_owned(), reason: words(&error) })?;
        Ok(Self { socket, tls })
    }

    /// The address that was bound.
    pub fn address(&self) -> Result<SocketAddr, ListenError> {
        Ok(self.socket.local_addr()?)
    }

    /// How to reach it.
    pub fn url(&self) -> Result<String, ListenError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.address()?))
    }
}

impl TlsFiles {
    fn load(&self) -> Result<ServerConfig, ListenError> {
        let wrong = |path: &Path, reason: String| ListenError::Tls { path: path.to_owned(), reason };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&self.certificates)
            .and_then(Iterator::collect)
            .map_err(|error| wrong(&self.certificates, error.to_string()))?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|error| wrong(&self.key, error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&self.key, error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| wrong(&self.certificates, error.to_string()))?;
        Ok(config)
    }
}
