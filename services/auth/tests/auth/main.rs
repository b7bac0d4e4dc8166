//! The auth service through its door, on SQLite and on PostgreSQL.

mod api_keys;
mod assertions;
mod asvs;
mod bootstrap;
mod clients;
mod dump;
mod feed;
mod guessing;
mod import;
mod keys;
mod mails;
mod oauth;
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
