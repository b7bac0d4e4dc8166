//! Throwaway PostgreSQL and Redis servers for tests, made from the binaries that the machine has.
//!
//! A test that wants one asks for it and goes on without it when there is none:
//!
//! ```no_run
//! if let Some(postgres) = portico_testing::postgres() {
//!     let url = postgres.database(); // fresh and empty, its own for this test
//! }
//! ```
//!
//! [`postgres`] and [`redis`] share one server among all tests of a process; [`own_postgres`] and
//! [`own_redis`] start another one, which its test may stop and start again. Servers listen on
//! loopback, keep their files in a temporary folder and end with the test process, however that ends.
//!
//! `PORTICO_TEST_REQUIRE=postgres,redis` makes the absence of a named server a failure, so that a
//! pipeline cannot skip by accident.
//!
//! Everything here blocks and panics with the server's log when something fails: it is for tests alone.

mod database;
mod find;
mod port;
mod postgres;
mod redis;
mod require;
mod server;
mod watchdog;

pub use database::{Database, databases};
pub use postgres::{Postgres, own_postgres, postgres};
pub use redis::{Redis, own_redis, redis};
