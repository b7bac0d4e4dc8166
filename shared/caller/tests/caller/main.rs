//! Tokens, keys, policies and the guard, through their public doors.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod admission;
mod guard;
mod keys;
mod policies;
mod remembered;
mod signatures;
mod tokens;
mod world;
