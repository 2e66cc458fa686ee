//! Golden bytes and refusals of CONFIG.
