//! The schema, step by step.
//!
//! Steps only add, so that the service of the step before runs on the database of the step after, and
//! a rolling upgrade needs no pause. A step that was published is never changed.

mod m0001_accounts;
mod m0002_profile;
mod m0003_flow;

use sea_orm_migration::prelude::*;

/// Brings a database to the schema of this version.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_accounts::Migration),
            Box::new(m0002_profile::Migration),
            Box::new(m0003_flow::Migration),
        ]
    }
}
