//! What SQL the service runs.

use std::sync::{Arc, Mutex};

use sea_orm::DatabaseConnection;

/// A record of statements.
#[derive(Clone, Default)]
pub struct Statements(Arc<Mutex<Vec<String>>>);

/// What tells the statements that the service runs by itself, at any time. Those that apply events are
/// not among them: a test that counts holds the feed back.
const BACKGROUND: [&str; 14] = [
    "FROM revocations",
    "FROM oauth_clients WHERE update_time",
    "leases",
    "UPDATE mails",
    "FROM mails ORDER BY due_time",
    "DELETE FROM mails",
    "INTO links",
    "NULL AS factor FROM identities WHERE email_key",
    "signing_keys",
    "FROM roles",
    "feed_cursors",
    "FROM registrations WHERE roles",
    "revoke_time > ",
    "LIMIT 1000)",
];

impl Statements {
    pub fn record(&self, db: &mut DatabaseConnection) {
        let list = Arc::clone(&self.0);
        db.set_metric_callback(move |info| {
            list.lock()
                .expect("no panic")
                .push(info.statement.sql.clone());
        });
    }

    pub fn forget(&self) {
        self.0.lock().expect("no panic").clear();
    }

    /// Whether such a statement was run since the last [`forget`](Self::forget), by whomever.
    pub fn ran(&self, mark: &str) -> bool {
        let list = self.0.lock().expect("no panic");
        list.iter().any(|sql| sql.contains(mark))
    }

    /// The statements that calls ran since the last [`forget`](Self::forget).
    pub fn of_calls(&self) -> Vec<String> {
        let list = self.0.lock().expect("no panic");
        let by_itself = |sql: &String| BACKGROUND.iter().any(|mark| sql.contains(mark));
        list.iter().filter(|sql| !by_itself(sql)).cloned().collect()
    }
}
