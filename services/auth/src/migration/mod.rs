//! The tables, step by step. A step that was released is never changed.

mod m20260101_000001_initial;
mod m20260101_000002_mail;
mod m20260101_000003_factors;
mod m20260101_000004_machines;

use sea_orm_migration::prelude::*;

/// Brings an auth database to the version of this program.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260101_000001_initial::Migration),
            Box::new(m20260101_000002_mail::Migration),
            Box::new(m20260101_000003_factors::Migration),
            Box::new(m20260101_000004_machines::Migration),
        ]
    }
}
