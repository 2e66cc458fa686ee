//! Where a store is reached, and with what.

use std::path::Path;

use kloset_connector::{ConnectorContext, ConnectorError, ErrorKind, Location, Options};
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// A store's place with what its options say.
pub(crate) struct Place {
    /// `http://HOST:PORT/PATH`, without a slash at its end.
    pub(crate) url: String,
    /// `HOST:PORT`.
    pub(crate) host: String,
    /// Path on that host.
    pub(crate) path: String,
    /// Shown to the server.
    pub(crate) token: Option<String>,
    /// Certificates that are believed.
    pub(crate) tls: TlsConfig,
}

impl Place {
    pub(crate) fn new(
        location: &Location,
        options: &Options,
        context: &ConnectorContext,
    ) -> Result<Self, ConnectorError> {
        let url = format!("{}://{}", location.scheme, location.rest.trim_end_matches('/'));
        let wrong = |message: &str| ConnectorError::new(ErrorKind::Invalid, "open", url.as_str(), message);
        let uri: Uri = url.parse().map_err(|_| wrong("this is not a URL"))?;
        let host = uri.authority().map(|host| host.as_str().to_owned()).unwrap_or_default();
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong("the host is missing"));
        }
        if host.contains('@') {
            let hint = "put a token into the store's option auth_token";
            return Err(wrong("a password in the location is not used").with_hint(hint));
        }
        let is_set = |key: &str| options.get(key).is_some_and(|value| value == "true");
        let token = options.get("auth_token").filter(|token| !token.is_empty()).cloned();
        let exposed = (location.scheme == "http" && !is_here(&uri)) || is_set("tls_no_verify");
        if token.is_some() && exposed && !is_set("insecure") {
            let message = "the token could be read on the way: http:// and tls_no_verify protect nothing";
            return Err(wrong(message).with_hint("use https://, or accept it with the option insecure=true"));
        }
        let tls = match options.get("ca") {
            None => TlsConfig::builder(),
            Some(file) => {
                TlsConfig::builder().root_certs(certificates(&context.working_directory.join(file))?)
            }
        };
        if is_set("tls_no_verify") {
            context.events.warning("the server's certificate is not checked (tls_no_verify)");
        }
        let tls = tls.disable_verification(is_set("tls_no_verify")).build();
        Ok(Self { path: uri.path().to_owned(), url, host, token, tls })
    }
}

/// Whether nothing leaves this machine.
fn is_here(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| matches!(host, "localhost" | "[::1]") || host.starts_with("127."))
}

fn certificates(path: &Path) -> Result<RootCerts, ConnectorError> {
    let shown = || path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| ConnectorError::from_io("read", shown(), error))?;
    let found: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(ConnectorError::new(
            ErrorKind::Invalid,
            "read",
            shown(),
            "there is no PEM certificate in it",
        ));
    }
    Ok(RootCerts::from(found.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, options: &[(&str, &str)]) -> Result<Place, ConnectorError> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Place::new(&Location::parse(text), &options, &ConnectorContext::silent("/".into()))
    }

    #[test]
    fn locations_are_urls() {
        let found = place("http://h:9876/base/", &[]).unwrap();
        assert_eq!((found.url.as_str(), found.host.as_str()), ("http://h:9876/base", "h:9876"));
        assert_eq!(found.path, "/base");
        for bad in ["http:", "http://", "http://:80/x", "http://u:p@h/", "http://a b/"] {
            assert_eq!(place(bad, &[]).err().map(|error| error.kind), Some(ErrorKind::Invalid), "{bad}");
        }
    }

    #[test]
    fn tokens_do_not_travel_in_the_open() {
        let token = ("auth_token", "secret");
        assert!(place("http://localhost:1", &[token]).is_ok());
        assert!(place("https://h", &[token]).is_ok());
        assert!(place("http://h", &[token, ("insecure", "true")]).is_ok());
        assert!(place("http://h", &[token]).is_err());
        assert!(place("https://h", &[token, ("tls_no_verify", "true")]).is_err());
        assert!(place("https://h", &[("ca", "/dev/null")]).is_err());
    }
}
