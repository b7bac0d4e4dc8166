//! Every kind of database at once, for tests that must hold on each.

use tempfile::TempDir;

use crate::postgres;

/// An empty database for one test.
pub struct Database {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    /// Where it is. A file of SQLite is made by whoever connects first.
    pub url: String,
    /// The folder of the file, which goes with this value.
    _guard: Option<TempDir>,
}

/// A database of each kind: SQLite in a temporary folder, and PostgreSQL where there is one.
pub fn databases() -> Vec<Database> {
    let folder = tempfile::Builder::new()
        .prefix("portico-sqlite-")
        .tempdir()
        .expect("the temporary folder can be written");
    let sqlite = Database {
        name: "sqlite",
        url: format!(
            "sqlite://{}?mode=rwc",
            folder.path().join("test.db").display()
        ),
        _guard: Some(folder),
    };
    let postgres = postgres().map(|server| Database {
        name: "postgres",
        url: server.database(),
        _guard: None,
    });
    [Some(sqlite), postgres].into_iter().flatten().collect()
}
