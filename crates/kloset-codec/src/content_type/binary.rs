//! Formats with magic numbers.

/// The type of bytes that are not text; `None` if nothing recognises them.
pub(super) fn detect(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x7fELF") {
        return Some(elf(bytes));
    }
    match infer::get(bytes) {
        Some(kind) => reference_name(kind.mime_type(), kind.extension(), bytes),
        None => is_tar(bytes).then_some("application/x-tar"),
    }
}

/// Formats whose first bytes may all look like text.
pub(super) fn detect_textual(bytes: &[u8]) -> Option<&'static str> {
    const PREFIXES: [(&[u8], &str); 11] = [
        (b"%PDF-", "application/pdf"),
        (b"%FDF", "application/vnd.fdf"),
        (b"%!PS-Adobe-", "application/postscript"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"8BPS", "image/vnd.adobe.photoshop"),
        (b"!<arch>\ndebian", "application/vnd.debian.binary-package"),
        (b"!<arch>\n", "application/x-archive"),
        (b"fLaC", "audio/flac"),
        (b"OggS", "application/ogg"),
    ];
    if !matches!(bytes.first(), Some(b'%' | b'G' | 0xff | b'8' | b'!' | b'f' | b'O')) {
        return None;
    }
    PREFIXES.iter().find(|(prefix, _)| bytes.starts_with(prefix)).map(|(_, name)| *name)
}

/// The name that the reference implementation gives what `infer` calls `name`.
fn reference_name(name: &'static str, extension: &str, bytes: &[u8]) -> Option<&'static str> {
    Some(match name {
        "application/x-tar" => return is_tar(bytes).then_some("application/x-tar"),
        // Tests of two bytes or so, which match too much.
        "application/x-x509-ca-cert" | "application/x-executable" => return None,
        "application/java" => "application/x-java-applet",
        "application/font-woff" if extension == "woff2" => "font/woff2",
        "application/font-woff" => "font/woff",
        "application/font-sfnt" if extension == "otf" => "font/otf",
        "application/font-sfnt" => "font/ttf",
        "application/octet-stream" if extension == "eot" => "application/vnd.ms-fontobject",
        "application/rtf" => "text/rtf",
        "application/vnd.rar" => "application/x-rar-compressed",
        "application/x-unix-archive" => "application/x-archive",
        "application/x-google-chrome-extension" => "application/x-chrome-extension",
        "application/x-lzip" => "application/lzip",
        "audio/m4a" => "audio/x-m4a",
        "audio/opus" => "audio/ogg",
        "audio/x-aiff" => "audio/aiff",
        "audio/x-ape" => "audio/ape",
        "audio/x-flac" => "audio/flac",
        "audio/x-wav" => "audio/wav",
        "image/vnd.microsoft.icon" => "image/x-icon",
        "video/x-ms-wmv" => "video/x-ms-asf",
        other => other,
    })
}

/// What kind of ELF file this is, by the type field of its header, in either byte order.
fn elf(bytes: &[u8]) -> &'static str {
    match bytes.get(16..18) {
        Some([1, 0] | [0, 1]) => "application/x-object",
        Some([2, 0] | [0, 2]) => "application/x-executable",
        Some([3, 0] | [0, 3]) => "application/x-sharedlib",
        Some([4, 0] | [0, 4]) => "application/x-coredump",
        _ => "application/x-elf",
    }
}

/// Whether the first 512 bytes are a tar header: the checksum in it is right.
fn is_tar(bytes: &[u8]) -> bool {
    const HEADER_BYTES: usize = 512;
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let (Some(header), Some(field)) = (bytes.get(..HEADER_BYTES), bytes.get(CHECKSUM)) else {
        return false;
    };
    let digits = field.trim_ascii_start().split(|b| matches!(b, b' ' | 0)).next().unwrap_or_default();
    let Some(recorded) =
        std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok())
    else {
        return false;
    };
    let all: u32 = header.iter().map(|&b| u32::from(b)).sum();
    let of_field: u32 = field.iter().map(|&b| u32::from(b)).sum();
    // The field itself counts as eight spaces.
    recorded == all - of_field + 8 * u32::from(b' ')
}
