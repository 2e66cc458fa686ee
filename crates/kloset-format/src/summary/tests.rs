//! Accumulation quirks.
