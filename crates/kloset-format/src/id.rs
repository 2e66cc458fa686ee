//! 32-byte identifiers, a type for each thing they name.

use std::fmt;

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// All bytes zero: "none" on disk.
            pub const ZERO: Self = Self([0; 32]);

            /// The raw 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Whether this is the all-zero value that stands for "none".
            pub fn is_zero(&self) -> bool {
                self.0 == [0; 32]
            }

            /// Takes the identifier from a slice of exactly 32 bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// Parses exactly 64 hexadecimal digits, either case.
            pub fn from_hex(text: &str) -> Option<Self> {
                parse_hex(text.as_bytes()).map(Self)
            }

            /// The first 8 hexadecimal digits, as shown to people.
            pub fn short(&self) -> String {
                self.0[..4].iter().map(|b| format!("{b:02x}")).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for byte in &self.0 {
                    write!(f, "{byte:02x}")?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }
    };
}

identifier!(
    /// Keyed hash of the plain bytes of a blob or of a content: the name of a blob.
    Mac
);
identifier!(
    /// Random name of a snapshot.
    SnapshotId
);
identifier!(
    /// Name of a packfile: the MAC of its payload.
    PackfileId
);
identifier!(
    /// Name of a state file.
    StateId
);
identifier!(
    /// Name of a lock file.
    LockId
);

fn parse_hex(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut out = [0u8; 32];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip_and_refusals() {
        let id = Mac(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(Mac::from_hex(&id.to_string()), Some(id));
        assert_eq!(Mac::from_hex(&id.to_string().to_uppercase()), Some(id));
        assert_eq!(Mac::from_hex("00"), None);
        assert_eq!(Mac::from_hex(&"g".repeat(64)), None);
        assert_eq!(id.short(), &id.to_string()[..8]);
    }
}
