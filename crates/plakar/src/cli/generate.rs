//! Writes the manual, the completions and the command reference that are kept in `docs/`.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::{completions, manual, reference};

/// Writes `man/`, `completions/` and `commands.md` into `directory`. Man pages of commands that are gone go.
pub fn write_all(directory: &Path) -> io::Result<()> {
    let man = directory.join("man");
    fs::create_dir_all(&man)?;
    for entry in fs::read_dir(&man)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "1") {
            fs::remove_file(path)?;
        }
    }
    for page in manual::pages() {
        fs::write(man.join(format!("{}.1", page.name())), page.roff()?)?;
    }
    let scripts = directory.join("completions");
    fs::create_dir_all(&scripts)?;
    for (shell, name) in completions::SHELLS {
        fs::write(scripts.join(name), completions::script(shell)?)?;
    }
    fs::write(directory.join("commands.md"), reference::markdown())
}
