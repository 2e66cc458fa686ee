//! The one error of all decoders.

/// Says which field of which resource did not hold what the format asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: {field} at byte {offset}: expected {expected}, found {found}")]
pub struct DecodeError {
    /// Kind of thing that was being decoded, such as `state` or `entry`.
    pub resource: &'static str,
    /// Field inside it.
    pub field: &'static str,
    /// Byte offset inside the decoded bytes.
    pub offset: usize,
    /// What the format allows here.
    pub expected: String,
    /// What the bytes hold.
    pub found: String,
}

impl DecodeError {
    /// Makes an error; texts are built only when something is wrong.
    #[cold]
    pub fn new(
        resource: &'static str,
        field: &'static str,
        offset: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { resource, field, offset, expected: expected.into(), found: found.into() }
    }
}
