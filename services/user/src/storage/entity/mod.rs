//! The tables, column by column.

pub mod idempotency;
pub mod outbox;
pub mod roles;
pub mod users;
