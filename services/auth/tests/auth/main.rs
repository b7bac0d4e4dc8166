//! The auth service through its door, on SQLite and on PostgreSQL.

mod bootstrap;
mod feed;
mod keys;
mod process;
mod refresh;
mod registration;
mod secrets;
mod sessions;
mod sign_in;
mod support;
