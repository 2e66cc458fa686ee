//! Questions on the terminal without echo.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::sync::Mutex;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Settings of the terminal while a question without echo is open.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

fn saved() -> std::sync::MutexGuard<'static, Option<Termios>> {
    SAVED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Puts the terminal back as it was, if a question is open; tells whether one was.
pub fn restore() -> bool {
    let Some(settings) = saved().take() else { return false };
    if let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &settings);
    }
    true
}

/// Asks `question` on the terminal of this process and reads a line without echo.
pub fn ask_secret(question: &str) -> io::Result<Zeroizing<String>> {
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    *saved() = Some(before);
    let answer = (|| {
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        terminal.write_all(question.as_bytes())?;
        read_line(&terminal)
    })();
    restore();
    answer
}

fn read_line(terminal: &File) -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    if BufReader::new(terminal).read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "end of input"));
    }
    while line.ends_with(['\n', '\r']) {
        line.pop();
    }
    Ok(line)
}
