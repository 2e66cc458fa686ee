//! Scripts that name their interpreter in the first line.

/// The type that a `#!` line tells.
pub(super) fn detect(bytes: &[u8]) -> Option<&'static str> {
    let line = bytes.strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut program = base_name(words.next()?);
    if program == b"env" {
        // Options and variable settings of env may come before the program.
        program = base_name(words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))?);
    }
    let version_at = program.iter().rposition(|b| !b.is_ascii_digit() && *b != b'.').map_or(0, |at| at + 1);
    match program.get(..version_at)? {
        b"sh" | b"bash" | b"dash" | b"ash" | b"ksh" | b"zsh" | b"csh" | b"tcsh" | b"fish" => {
            Some("text/x-shellscript")
        }
        b"python" => Some("text/x-python"),
        b"perl" => Some("text/x-perl"),
        b"ruby" => Some("text/x-ruby"),
        b"lua" => Some("text/x-lua"),
        b"php" => Some("text/x-php"),
        b"node" | b"nodejs" => Some("text/javascript"),
        b"tclsh" | b"wish" => Some("text/x-tcl"),
        _ => None,
    }
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or(path)
}
