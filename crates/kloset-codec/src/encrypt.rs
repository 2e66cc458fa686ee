//! Encryption of one item: a wrapped random subkey, then pieces sealed with AES-256-GCM-SIV.
//!
//! ```text
//! wrapped subkey (40 bytes AES-KW, or 60 bytes AES-GCM) | (nonce 12 | ciphertext | tag 16)*
//! ```
//!
//! Every piece but the last holds exactly `piece_bytes` of plain text. Pieces carry no
//! position: their order and their number are vouched for by the MAC of the plain bytes.

use crate::CodecError;
use aes_gcm::Aes256Gcm;
use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_kw::KwAes256;
use rand::{CryptoRng, RngCore};
use std::fmt;
use zeroize::Zeroizing;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const PIECE_OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;
const SUBKEY_BYTES: usize = 32;
const KW_BYTES: usize = SUBKEY_BYTES + 8;
const GCM_BYTES: usize = NONCE_BYTES + SUBKEY_BYTES + TAG_BYTES;

/// How the subkey of each item is wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubkeyAlgorithm {
    /// RFC 3394 key wrapping, the default.
    Aes256Kw,
    /// AES-256-GCM, found in older stores.
    Aes256Gcm,
}

impl SubkeyAlgorithm {
    /// Finds the algorithm that CONFIG calls `name`, in either case.
    pub fn from_config(name: &str) -> Option<Self> {
        [Self::Aes256Kw, Self::Aes256Gcm].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The name in CONFIG.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Kw => "AES256-KW",
            Self::Aes256Gcm => "AES256-GCM",
        }
    }

    /// Size of a wrapped subkey.
    const fn wrapped_bytes(self) -> usize {
        match self {
            Self::Aes256Kw => KW_BYTES,
            Self::Aes256Gcm => GCM_BYTES,
        }
    }
}

/// The key of a store, ready to seal and open items. Wiped from memory when dropped.
pub struct Cipher {
    wrapping: Wrapping,
    subkey: SubkeyAlgorithm,
    piece_bytes: usize,
}

enum Wrapping {
    Kw(Box<KwAes256>),
    Gcm(Box<Aes256Gcm>),
}

impl Cipher {
    /// Prepares the derived key of a store. `piece_bytes` is what CONFIG says; 0 counts as 1.
    pub fn new(key: &[u8; 32], subkey: SubkeyAlgorithm, piece_bytes: usize) -> Self {
        let wrapping = match subkey {
            SubkeyAlgorithm::Aes256Kw => Wrapping::Kw(Box::new(KwAes256::new(&(*key).into()))),
            SubkeyAlgorithm::Aes256Gcm => Wrapping::Gcm(Box::new(Aes256Gcm::new(&(*key).into()))),
        };
        Self { wrapping, subkey, piece_bytes: piece_bytes.max(1) }
    }

    /// Size of the sealed form of `plain_len` bytes.
    pub fn sealed_len(&self, plain_len: usize) -> usize {
        self.subkey.wrapped_bytes() + plain_len + plain_len.div_ceil(self.piece_bytes) * PIECE_OVERHEAD_BYTES
    }

    /// Appends the sealed form of `plain` to `out`.
    pub fn seal<R: RngCore + CryptoRng>(&self, plain: &[u8], out: &mut Vec<u8>, rng: &mut R) {
        out.reserve(self.sealed_len(plain.len()));
        let mut subkey = Zeroizing::new([0u8; SUBKEY_BYTES]);
        rng.fill_bytes(subkey.as_mut());
        self.wrap(&subkey, out, rng);
        let cipher = Aes256GcmSiv::new((&*subkey).into());
        for piece in plain.chunks(self.piece_bytes) {
            let nonce = random_nonce(rng);
            out.extend_from_slice(&nonce);
            let start = out.len();
            out.extend_from_slice(piece);
            let body = out.get_mut(start..).expect("the piece was just appended");
            let tag = cipher
                .encrypt_inout_detached(&nonce.into(), &[], body.into())
                .expect("a piece is far below the limit of 64 GiB");
            out.extend_from_slice(&tag);
        }
    }

    /// Appends the plain form of `sealed` to `out`, at most `bound` bytes of it.
    ///
    /// On failure `out` holds nothing that was not authenticated.
    pub fn open(&self, sealed: &[u8], out: &mut Vec<u8>, bound: usize) -> Result<(), CodecError> {
        let (wrapped, body) =
            sealed.split_at_checked(self.subkey.wrapped_bytes()).ok_or(CodecError::Truncated)?;
        let subkey = self.unwrap(wrapped)?;
        let piece_sealed_bytes = self.piece_bytes.saturating_add(PIECE_OVERHEAD_BYTES);
        let pieces = body.len().div_ceil(piece_sealed_bytes);
        let plain_len = body.len().checked_sub(pieces * PIECE_OVERHEAD_BYTES).ok_or(CodecError::Truncated)?;
        if plain_len > bound {
            return Err(CodecError::TooLarge { bound });
        }
        out.reserve(plain_len);
        let cipher = Aes256GcmSiv::new((&*subkey).into());
        for piece in body.chunks(piece_sealed_bytes) {
            open_piece(&cipher, piece, out)?;
        }
        Ok(())
    }

    fn wrap<R: RngCore + CryptoRng>(&self, subkey: &[u8; SUBKEY_BYTES], out: &mut Vec<u8>, rng: &mut R) {
        match &self.wrapping {
            Wrapping::Kw(kw) => {
                let mut wrapped = [0u8; KW_BYTES];
                kw.wrap_key(subkey, &mut wrapped).expect("32 bytes wrap into 40");
                out.extend_from_slice(&wrapped);
            }
            Wrapping::Gcm(gcm) => {
                let nonce = random_nonce(rng);
                let mut body = Zeroizing::new(*subkey);
                let tag = gcm
                    .encrypt_inout_detached(&nonce.into(), &[], body.as_mut_slice().into())
                    .expect("a key is far below the limit of 64 GiB");
                out.extend_from_slice(&nonce);
                out.extend_from_slice(body.as_slice());
                out.extend_from_slice(&tag);
            }
        }
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<Zeroizing<[u8; SUBKEY_BYTES]>, CodecError> {
        let mut subkey = Zeroizing::new([0u8; SUBKEY_BYTES]);
        match &self.wrapping {
            Wrapping::Kw(kw) => {
                kw.unwrap_key(wrapped, subkey.as_mut_slice()).map_err(|_| CodecError::WrongKeyOrDamaged)?;
            }
            Wrapping::Gcm(gcm) => {
                let (nonce, rest) =
                    wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(CodecError::Truncated)?;
                let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(CodecError::Truncated)?;
                *subkey = body.try_into().map_err(|_| CodecError::Truncated)?;
                gcm.decrypt_inout_detached(
                    &(*nonce).into(),
                    &[],
                    subkey.as_mut_slice().into(),
                    &(*tag).into(),
                )
                .map_err(|_| CodecError::WrongKeyOrDamaged)?;
            }
        }
        Ok(subkey)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher")
            .field("subkey", &self.subkey)
            .field("piece_bytes", &self.piece_bytes)
            .finish_non_exhaustive()
    }
}

fn random_nonce<R: RngCore + CryptoRng>(rng: &mut R) -> [u8; NONCE_BYTES] {
    let mut nonce = [0u8; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);
    nonce
}

fn open_piece(cipher: &Aes256GcmSiv, piece: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let (nonce, rest) = piece.split_first_chunk::<NONCE_BYTES>().ok_or(CodecError::Truncated)?;
    let (body, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(CodecError::Truncated)?;
    let start = out.len();
    out.extend_from_slice(body);
    let plain = out.get_mut(start..).expect("the piece was just appended");
    let opened = cipher.decrypt_inout_detached(&(*nonce).into(), &[], plain.into(), &(*tag).into());
    if opened.is_err() {
        out.truncate(start);
        return Err(CodecError::WrongKeyOrDamaged);
    }
    Ok(())
}
