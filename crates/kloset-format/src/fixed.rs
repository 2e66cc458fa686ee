//! Fixed-width little-endian fields: how packfile indexes, states and archives are laid out.

use crate::DecodeError;

/// Reads fields one after the other and knows where it is when one is missing.
#[derive(Clone, Debug)]
pub(crate) struct FieldReader<'a> {
    resource: &'static str,
    bytes: &'a [u8],
    rest: &'a [u8],
}

impl<'a> FieldReader<'a> {
    pub(crate) fn new(resource: &'static str, bytes: &'a [u8]) -> Self {
        Self { resource, bytes, rest: bytes }
    }

    pub(crate) fn offset(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    pub(crate) fn error(
        &self,
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> DecodeError {
        DecodeError::new(self.resource, field, self.offset(), expected, found)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(*head)
            }
            None => Err(self.missing(field, N)),
        }
    }

    #[inline]
    pub(crate) fn slice(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((head, rest)) => {
                self.rest = rest;
                Ok(head)
            }
            None => Err(self.missing(field, length)),
        }
    }

    #[cold]
    fn missing(&self, field: &'static str, length: usize) -> DecodeError {
        self.error(field, format!("{length} bytes"), format!("{} bytes", self.rest.len()))
    }

    #[inline]
    pub(crate) fn id<T: From<[u8; 32]>>(&mut self, field: &'static str) -> Result<T, DecodeError> {
        Ok(T::from(self.array::<32>(field)?))
    }

    #[inline]
    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    #[inline]
    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    #[inline]
    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    #[inline]
    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_le_bytes(self.array(field)?))
    }
}
