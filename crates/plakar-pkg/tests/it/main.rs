//! Packages made, installed, damaged, removed, fetched.

mod build;
mod damage;
mod install;
mod remote;
mod support;
