//! The auth service through its door, on SQLite and on PostgreSQL.

mod bootstrap;
mod dump;
mod feed;
mod guessing;
mod import;
mod keys;
mod mails;
mod own_factors;
mod process;
mod refresh;
mod registration;
mod resync;
mod rotation;
mod second_factor;
mod secrets;
mod sessions;
mod sign_in;
mod smtp;
mod support;
mod torture;
mod upkeep;
