//! Standard output as a writer, for contents that are written piece by piece.

use std::io::{self, Write};

use super::Ui;

/// Writes bytes of a command's result.
pub struct ResultWriter<'a>(pub(super) &'a Ui);

impl Write for ResultWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_out(bytes)?;
        Ok(bytes.len())
    }

    /// The end of the program flushes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
