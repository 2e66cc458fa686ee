//! Logging in: the requests, and the wait for the user to confirm elsewhere.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;

use crate::remote::{status_text, unreachable};
use crate::{PkgError, Remote};

/// How often and how long the server is asked whether the user has confirmed.
const POLL_EVERY: Duration = Duration::from_secs(1);
const POLLS_MAX: u32 = 300;
/// Longest answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Who vouches for the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Method {
    /// A page of GitHub's.
    Github,
    /// A message to this address.
    Email(String),
}

/// A login that waits for the user.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Pending {
    /// Page to open, if there is one.
    #[serde(rename = "URL", default)]
    pub url: String,
    /// What the server knows the login by.
    pub poll_id: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Remote {
    /// Begins a login.
    pub fn begin_login(&self, method: &Method) -> Result<Pending, PkgError> {
        let (path, body) = match method {
            Method::Github => ("github", serde_json::json!({})),
            Method::Email(address) => ("email", serde_json::json!({ "email": address })),
        };
        let url = format!("{}/v1/auth/login/{path}", self.api);
        let (status, text) = self.post(&url, &body.to_string(), None)?;
        if status != 200 {
            return Err(PkgError::Fetch { status: status_text(status) });
        }
        let pending: Pending = parse(&url, &text)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if pending.poll_id.is_empty() || !pending.poll_id.chars().all(plain) {
            return Err(PkgError::BadAnswer { url, reason: "a strange poll id".to_owned() });
        }
        Ok(pending)
    }

    /// Waits until the user has confirmed; returns the token. `waiting` is told of every turn.
    pub fn finish_login(
        &self,
        pending: &Pending,
        interrupted: &AtomicBool,
        waiting: &mut dyn FnMut(),
    ) -> Result<String, PkgError> {
        let url = format!("{}/v1/auth/poll/{}", self.api, pending.poll_id);
        for _ in 0..POLLS_MAX {
            let until = std::time::Instant::now() + POLL_EVERY;
            while std::time::Instant::now() < until {
                if interrupted.load(Ordering::Relaxed) {
                    return Err(PkgError::Interrupted);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let (status, text) = self.post(&url, "", None)?;
            match status.as_u16() {
                200 => return parse::<Token>(&url, &text).map(|answer| answer.token),
                202 => waiting(),
                404 => return Err(PkgError::Refused("unknown ID".to_owned())),
                _ => return Err(PkgError::Fetch { status: status_text(status) }),
            }
        }
        Err(PkgError::Refused("the login was not confirmed in time".to_owned()))
    }

    /// A further token for other machines.
    pub fn derive_token(&self, token: &str) -> Result<String, PkgError> {
        let url = format!("{}/v1/account/derive-token", self.api);
        let (status, text) = self.post(&url, "", Some(token))?;
        if status != 200 {
            return Err(PkgError::Fetch { status: status_text(status) });
        }
        parse::<Token>(&url, &text).map(|answer| answer.token)
    }

    fn post(
        &self,
        url: &str,
        body: &str,
        token: Option<&str>,
    ) -> Result<(ureq::http::StatusCode, String), PkgError> {
        let mut request = self.agent.post(url).header("Content-Type", "application/json");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
            request = request.header("User-Agent", &self.client);
        }
        let mut response = request.send(body).map_err(|error| unreachable(url, &error))?;
        let status = response.status();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        Ok((status, text.map_err(|error| unreachable(url, &error))?))
    }
}

fn parse<T: serde::de::DeserializeOwned>(url: &str, text: &str) -> Result<T, PkgError> {
    serde_json::from_str(text)
        .map_err(|error| PkgError::BadAnswer { url: url.to_owned(), reason: error.to_string() })
}
