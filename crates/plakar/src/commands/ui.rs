//! `plakar ui`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use clap::Parser;
use http_server::Listener;
use plakar_browse::Ids;
use plakar_browse::web::{Settings, Site, TOKEN};

use crate::app::App;
use crate::commands::{Run, mount, server};
use crate::error::{Failure, Outcome};
use crate::filters::Filters;
use crate::{open, served};

/// Variable with the token that the pages ask for.
const TOKEN_VARIABLE: &str = "PLAKAR_UI_TOKEN";

/// Look at the store with a browser
#[derive(Parser)]
#[command(
    name = "ui",
    long_about = "Serves pages that show the snapshots: list, browse, download; nothing can be changed with them. The \
                  address that is printed holds a token, without which nothing is shown; $PLAKAR_UI_TOKEN sets it. The \
                  same is told as JSON below /api, to whoever sends `Authorization: Bearer TOKEN`. Stays until it is \
                  interrupted. Snapshots made later are not seen."
)]
pub struct UserInterface {
    /// Where to listen; by default any free port of this machine
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    addr: String,

    /// Let pages of other sites use the API
    #[arg(long)]
    cors: bool,

    /// Show everything to whoever reaches the address
    #[arg(long)]
    no_auth: bool,

    /// Do not start a browser
    #[arg(long)]
    no_spawn: bool,

    /// Accepted for compatibility: pages do not refresh by themselves
    #[arg(long)]
    no_refresh: bool,

    /// Certificates for https, PEM
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Run for UserInterface {
    fn run(self, app: &App) -> Result<Outcome, Failure> {
        let tls = server::tls_files(self.cert, self.key)?;
        let opened = open::open(app)?;
        let view = mount::snapshots(app, &opened, &Filters::default(), Ids::Full);
        let listener = Listener::bind(&self.addr, tls.as_ref()).map_err(|error| server::failure(&error))?;
        let url = listener.url().map_err(|error| server::failure(&error))?;
        let token = if self.no_auth { None } else { Some(token()?) };
        let url = match &token {
            Some(token) => format!("{url}?{TOKEN}={token}"),
            None => url,
        };
        let ui = Arc::clone(&app.ui);
        let site = Site::new(view, Settings { token, cors: self.cors }, move |error| ui.error(error));
        app.ui.result(&format!("launching webUI at {url}"))?;
        app.ui.flush()?;
        if !self.no_spawn {
            start_browser(app, &url);
        }
        served::until_interrupted(app, listener, site)
    }
}

/// The one that is set, or a random UUID (version 4).
fn token() -> Result<String, Failure> {
    if let Some(token) = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()) {
        // It travels in an address and in a cookie.
        if token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
            return Ok(token);
        }
        return Err(Failure::refused(format!(
            "{TOKEN_VARIABLE}: only letters, digits, `-`, `_` and `.` may be in it"
        )));
    }
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}

fn start_browser(app: &App, url: &str) {
    let mut browser = Command::new("xdg-open");
    let quiet = browser.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if quiet.spawn().is_err() {
        app.ui.info("no browser could be started: open the address yourself");
    }
}
