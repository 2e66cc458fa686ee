//! Packages made, installed, damaged, removed, fetched.

mod damage;
mod install;
mod remote;
mod support;
