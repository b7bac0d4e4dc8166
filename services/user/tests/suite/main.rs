//! The service through its public door: the backend that `start` answers, with tokens that a key of
//! this test signed, on each database that the machine has.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

mod access;
mod accounts;
mod administrators;
mod bounds;
mod changes;
mod expanding;
mod feed;
mod house;
mod lists;
mod migrations;
mod outage;
mod plans;
mod process;
mod profile;
mod provisioning;
mod purge;
mod queries;
mod repeats;
mod replica;
mod retention;
mod roles;
mod signer;
mod transfer;
mod watching;
mod writers;
