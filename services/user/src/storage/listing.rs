//! Lists: pages in an order, filtered and searched, at a cost that does not grow with the table.
//!
//! # How a page is found
//!
//! * **A probe.** A filter that asks for an id, an address or a username finds at most one account
//!   through a unique index.
//! * **A walk.** Every order has an index, and a page is read along it from the place where the page
//!   before ended. A filter is applied on the way. What leaves only few accounts (a status, a role, a
//!   span of the time that is ordered by) narrows the walk to an index of its own, or to a part of one.
//!   A walk ends after [`STEPS`] accounts: such a page has less accounts than asked for, perhaps none, and
//!   the token for the next one (AIP-158 has clients expect that).
//! * **Trigrams.** What has to stand somewhere in a name or an address is looked up in an index of
//!   trigrams, which answers at once what is rare and takes long for what is common. A walk is the other
//!   way round. So a short walk goes first, and when it does not fill the page, what is looked for is mostly
//!   rare enough: the index answers, in the same statement. Where it would answer with very much, of which a
//!   filter leaves little, or not enough for a very large page, a long walk takes its place.
//!
//! # PostgreSQL-compatible engines
//!
//! Trigrams are the one thing here that not every engine has. Where `pg_trgm` is missing, let
//! [`Listing::has_trigrams`] say no: every search is a walk then.

mod condition;
mod sql;

use sea_orm::{DbBackend, FromQueryResult, QueryResult, Statement};
use uuid::Uuid;

use self::{condition::Met, sql::Sql};
use super::{Result, Storage, entity::users::Model, held_at_once};
use crate::domain::{Account, Cursor, Key, Listing, OrderKey, Page, PageSize, TotalSize, Word};

/// After how many accounts a walk ends.
pub(super) const STEPS: u32 = 20_000;
/// The same before trigrams are asked: so many take about as long as the trigrams of what is just rare
/// enough, in a million accounts, not to fill a page of 50 on the way.
const FEW_STEPS: u32 = 8_000;
/// What as many of them have is common, and the index is not asked for it.
const MANY: u32 = FEW_STEPS / 50;
/// How many bytes of metadata are on a page, unless the first account has more.
const AT_ONCE: usize = 1 << 19;
/// At how many accounts counting is given up.
const COUNT: u32 = 100_000;

/// What a page is made of, as the database gives it.
struct Row {
    model: Model,
    /// What it is ordered by, as the database compares it.
    key: Key,
    /// It is not on the page, but the last one that a walk came to.
    is_end: bool,
}

impl Storage {
    /// One page of a list, in one statement. A page with much metadata in it ends early.
    pub async fn page(
        &self,
        listing: &Listing,
        behind: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page> {
        let wanted = size.get() + 1;
        let backend = self.db.get_database_backend();
        let query = Query {
            listing,
            behind,
            backend,
        };
        let statement = match query.way() {
            Way::Probe => query.probe(wanted),
            Way::Walk => query.walk(wanted),
            Way::Trigrams if backend == DbBackend::Postgres => query.walk_then_trigrams(wanted),
            Way::Trigrams => query.trigrams(wanted),
        };
        let rows = self.read(statement).await?;
        let mut rows = rows
            .iter()
            .map(|row| Row::read(row, listing))
            .collect::<Result<Vec<Row>>>()?;
        let end = rows.pop_if(|row| row.is_end);
        let most = held_at_once(rows.iter().map(|row| &row.model), AT_ONCE).min(size.get());
        let next = if rows.len() > most {
            rows.truncate(most);
            rows.last()
        } else {
            end.as_ref()
        };
        let next = next.map(|row| Cursor {
            key: row.key.clone(),
            id: row.model.id.into(),
        });
        let accounts = rows.into_iter().map(|row| Account::try_from(row.model));
        let accounts = accounts.collect::<Result<_>>()?;
        Ok(Page { accounts, next })
    }

    /// How many accounts a list has. One statement, which looks at a bounded number of them, and another one
    /// that looks at none.
    pub async fn total_size(&self, listing: &Listing) -> Result<TotalSize> {
        let query = Query {
            listing,
            behind: None,
            backend: self.db.get_database_backend(),
        };
        let rows = self.read(query.count()).await?;
        let number = |column| -> Result<u32> {
            let number: Option<i64> = match rows.first() {
                Some(row) => row.try_get("", column)?,
                None => None,
            };
            Ok(number.and_then(|n| n.try_into().ok()).unwrap_or_default())
        };
        let is_minimum = number("looked_at")? > COUNT;
        let everything = listing.filter.is_none() && listing.words.is_empty();
        let estimate = if is_minimum && everything {
            Some(self.estimate().await?)
        } else {
            None
        };
        Ok(TotalSize {
            counted: number("matches")?,
            is_minimum,
            estimate,
        })
    }

    /// About how many accounts there are, by what the database knows without looking at them.
    pub(super) async fn estimate(&self) -> Result<u64> {
        let backend = self.db.get_database_backend();
        let sql = match backend {
            DbBackend::Postgres => {
                "SELECT GREATEST(reltuples, 0)::bigint AS size FROM pg_class \
                 WHERE oid = 'users'::regclass"
            }
            _ => "SELECT COALESCE(MAX(number), 0) AS size FROM user_search",
        };
        let rows = self.read(Statement::from_string(backend, sql)).await?;
        let size: i64 = match rows.first() {
            Some(row) => row.try_get("", "size")?,
            None => 0,
        };
        Ok(size.try_into().unwrap_or_default())
    }
}

impl Row {
    fn read(row: &QueryResult, listing: &Listing) -> Result<Self> {
        let key = match listing.order.key {
            OrderKey::CreateTime | OrderKey::UpdateTime => Key::Time(row.try_get("", "sort_key")?),
            OrderKey::Email | OrderKey::DisplayName => Key::Text(row.try_get("", "sort_key")?),
        };
        Ok(Self {
            model: Model::from_query_result(row, "")?,
            key,
            is_end: row.try_get("", "is_end")?,
        })
    }
}

/// On what a page runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Probe,
    Walk,
    Trigrams,
}

struct Query<'q> {
    listing: &'q Listing,
    behind: Option<&'q Cursor>,
    backend: DbBackend,
}

impl Query<'_> {
    fn way(&self) -> Way {
        let listing = self.listing;
        if listing.words.is_empty() && listing.conjuncts().iter().any(condition::is_probe) {
            Way::Probe
        } else if self.has_trigrams() {
            Way::Trigrams
        } else {
            Way::Walk
        }
    }

    /// Whether something that has to hold can be looked up among trigrams.
    fn has_trigrams(&self) -> bool {
        let words = self.listing.words.iter().map(Word::as_str);
        let parts = self.listing.conjuncts().iter().filter_map(condition::part);
        let mut words = words.filter(|word| self.backend == DbBackend::Sqlite || is_indexed(word));
        words.next().is_some() || parts.into_iter().any(has_trigram)
    }

    fn probe(&self, wanted: usize) -> Statement {
        let mut sql = self.begin();
        self.select(&mut sql, "users", "FALSE");
        self.all_conditions(&mut sql);
        sql.push(" LIMIT ").bind(wanted as u64);
        sql.done()
    }

    fn walk(&self, wanted: usize) -> Statement {
        let mut sql = self.begin();
        if self.listing.filter.is_none() && self.listing.words.is_empty() {
            self.select(&mut sql, "users", "FALSE");
            self.base(&mut sql);
            self.order(&mut sql, self.key());
            sql.push(" LIMIT ").bind(wanted as u64);
            return sql.done();
        }
        self.long_walk(&mut sql, wanted, "");
        sql.done()
    }

    /// What a walk comes by, and where it ended when it did not fill the page and there are accounts behind it. The
    /// database begins the second part when the first has come to an end. As one statement both see the same
    /// accounts, or those that change in between could be looked at by nobody.
    fn long_walk(&self, sql: &mut Sql, wanted: usize, only_if: &str) {
        sql.push("SELECT * FROM (SELECT * FROM (");
        self.steps(sql, STEPS, only_if);
        sql.push(") AS steps WHERE TRUE");
        self.filter(Met::OnAWalk, sql);
        // SQLite would sort what is in order already.
        if self.backend == DbBackend::Postgres {
            self.order(sql, "sort_key");
        }
        sql.push(" LIMIT ").bind(wanted as u64);
        sql.push(") AS found UNION ALL SELECT * FROM (");
        self.select(sql, "users", "TRUE");
        self.base(sql);
        self.narrow(sql);
        sql.push(only_if);
        self.order(sql, self.key());
        sql.push(" LIMIT 1 OFFSET ").push(&(STEPS - 1).to_string());
        sql.push(") AS last LIMIT ").bind(wanted as u64);
    }

    /// Only what a walk did not fill asks for trigrams, and only what they find too often walks further:
    /// PostgreSQL does not begin a part of which a condition without columns is false.
    fn walk_then_trigrams(&self, wanted: usize) -> Statement {
        let mut sql = self.begin();
        sql.push("WITH walk AS MATERIALIZED (SELECT sort_key, id FROM (");
        self.steps(&mut sql, FEW_STEPS, "");
        sql.push(") AS steps WHERE TRUE");
        self.filter(Met::OnAWalk, &mut sql);
        sql.push(" LIMIT ").bind(wanted as u64);
        sql.push("), short AS MATERIALIZED (SELECT (SELECT count(*) FROM walk) < ");
        sql.bind(wanted as u64);
        // Who has come to the end of the list has found everything. On a first page that is no matter:
        // trigrams find at once what so short a list has.
        if self.behind.is_some() {
            sql.push(" AND EXISTS (SELECT id FROM users");
            self.base(&mut sql);
            self.narrow(&mut sql);
            self.order(&mut sql, self.key());
            sql.push(" LIMIT 1 OFFSET ").bind(u64::from(FEW_STEPS) - 1);
            sql.push(")");
        }
        sql.push(" AS yes), common AS MATERIALIZED (");
        self.common(&mut sql);
        sql.push("), hits AS MATERIALIZED (SELECT ")
            .push(self.key());
        sql.push(" AS sort_key, id FROM users");
        self.all_conditions(&mut sql);
        sql.push(" AND (SELECT yes FROM short) AND NOT (SELECT yes FROM common)");
        sql.push(
            "), page AS (SELECT id, FALSE AS is_end FROM walk WHERE NOT (SELECT yes FROM short)",
        );
        sql.push(" UNION ALL (SELECT id, FALSE FROM hits");
        self.order(&mut sql, "sort_key");
        sql.push(" LIMIT ").bind(wanted as u64);
        sql.push(") UNION ALL SELECT id, is_end FROM (");
        self.long_walk(&mut sql, wanted, " AND (SELECT yes FROM common)");
        sql.push(") AS further) ");
        self.select(&mut sql, "page JOIN users USING (id)", "is_end");
        self.order(&mut sql, self.key());
        sql.push(", is_end");
        sql.done()
    }

    /// Whether trigrams would find too much, to judge by what the short walk came by. Without a filter that is what
    /// it found; with one it is gone again for it.
    fn common(&self, sql: &mut Sql) {
        sql.push("SELECT (SELECT yes FROM short) AND (SELECT count(*) FROM ");
        if self.listing.filter.is_none() {
            sql.push("walk");
        } else {
            sql.push("(");
            self.steps(sql, FEW_STEPS, " AND (SELECT yes FROM short)");
            sql.push(") AS steps WHERE TRUE");
            for conjunct in self.listing.conjuncts() {
                if condition::part(conjunct).is_some_and(has_trigram) {
                    sql.push(" AND ");
                    condition::write(conjunct, Met::OnAWalk, sql);
                }
            }
            self.words(Met::OnAWalk, sql);
        }
        sql.push(") >= ").push(&MANY.to_string()).push(" AS yes");
    }

    /// The order of the tables is said, or SQLite would try each account in the list's order instead.
    fn trigrams(&self, wanted: usize) -> Statement {
        let mut sql = self.begin();
        let tables = "user_trigrams CROSS JOIN user_search ON user_search.number = user_trigrams.rowid \
                      CROSS JOIN users ON users.id = user_search.user_id";
        self.select(&mut sql, tables, "FALSE");
        self.base(&mut sql);
        self.narrow(&mut sql);
        self.matching(&mut sql);
        self.filter(Met::ByIndex, &mut sql);
        self.order(&mut sql, self.key());
        sql.push(" LIMIT ").bind(wanted as u64);
        sql.done()
    }

    fn count(&self) -> Statement {
        let limit = u64::from(COUNT) + 1;
        let mut sql = self.begin();
        match self.way() {
            Way::Walk => {
                sql.push("SELECT sum(CASE WHEN TRUE");
                self.filter(Met::OnAWalk, &mut sql);
                sql.push(" THEN 1 ELSE 0 END) AS matches, count(*) AS looked_at FROM (");
                self.select(&mut sql, "users", "FALSE");
                self.base(&mut sql);
                self.narrow(&mut sql);
                self.order(&mut sql, self.key());
                sql.push(" LIMIT ").bind(limit).push(") AS steps");
            }
            Way::Trigrams if self.backend == DbBackend::Sqlite => {
                sql.push(
                    "SELECT count(*) AS matches, count(*) AS looked_at FROM (SELECT 1 FROM \
                     user_trigrams CROSS JOIN user_search ON user_search.number = user_trigrams.rowid \
                     CROSS JOIN users ON users.id = user_search.user_id",
                );
                self.base(&mut sql);
                self.matching(&mut sql);
                self.filter(Met::ByIndex, &mut sql);
                sql.push(" LIMIT ").bind(limit).push(") AS steps");
            }
            Way::Trigrams | Way::Probe => {
                sql.push(
                    "SELECT count(*) AS matches, count(*) AS looked_at FROM (SELECT 1 FROM users",
                );
                self.all_conditions(&mut sql);
                sql.push(" LIMIT ").bind(limit).push(") AS steps");
            }
        }
        sql.done()
    }

    fn begin(&self) -> Sql {
        Sql::new(self.backend)
    }

    /// Each column by its name: a later release may add one while this one is running.
    fn select(&self, sql: &mut Sql, tables: &str, is_end: &str) {
        sql.push("SELECT ").push(&condition::columns());
        if self.backend == DbBackend::Postgres && !self.listing.words.is_empty() {
            sql.push(", ").push(condition::POSTGRES_SEARCHED);
        }
        sql.push(", ").push(self.key()).push(" AS sort_key, ");
        sql.push(is_end).push(" AS is_end FROM ").push(tables);
    }

    /// The first accounts of the list, filtered or not.
    fn steps(&self, sql: &mut Sql, steps: u32, only_if: &str) {
        self.select(sql, "users", "FALSE");
        self.base(sql);
        self.narrow(sql);
        sql.push(only_if);
        self.order(sql, self.key());
        sql.push(" LIMIT ").push(&steps.to_string());
    }

    fn all_conditions(&self, sql: &mut Sql) {
        self.base(sql);
        self.narrow(sql);
        self.filter(Met::ByIndex, sql);
    }

    /// What the list is of at all, from the place where the page begins.
    fn base(&self, sql: &mut Sql) {
        sql.push(if self.listing.with_deleted {
            " WHERE NOT purged"
        } else {
            " WHERE delete_time IS NULL"
        });
        if let Some(Cursor { key, id }) = self.behind {
            sql.push(" AND (").push(self.key()).push(", id) ");
            sql.push(if self.listing.order.descending {
                "<"
            } else {
                ">"
            });
            sql.push(" (");
            match key {
                Key::Time(time) => sql.bind(*time),
                Key::Text(text) => sql.bind(text.clone()),
            };
            sql.push(", ").bind(Uuid::from(*id)).push(")");
        }
    }

    /// What leaves only few accounts, and has an index for it.
    fn narrow(&self, sql: &mut Sql) {
        for conjunct in self.listing.conjuncts() {
            condition::narrow(conjunct, self.listing.order.key, sql);
        }
    }

    /// The filter and the words that are searched for.
    fn filter(&self, met: Met, sql: &mut Sql) {
        if let Some(filter) = &self.listing.filter {
            sql.push(" AND ");
            condition::write(filter, met, sql);
        }
        self.words(met, sql);
    }

    fn words(&self, met: Met, sql: &mut Sql) {
        for word in &self.listing.words {
            sql.push(" AND ");
            condition::search(word, met, sql);
        }
    }

    fn matching(&self, sql: &mut Sql) {
        let words = self.listing.words.iter().map(condition::phrase);
        let parts = self.listing.conjuncts().iter().filter_map(condition::part);
        let parts = parts
            .filter(|part| has_trigram(part))
            .map(condition::part_phrase);
        let phrases: Vec<String> = words.chain(parts).collect();
        sql.push(" AND user_trigrams MATCH ")
            .bind(phrases.join(" "));
    }

    fn order(&self, sql: &mut Sql, key: &str) {
        let direction = if self.listing.order.descending {
            " DESC"
        } else {
            ""
        };
        sql.push(" ORDER BY ").push(key).push(direction);
        sql.push(", id").push(direction);
    }

    const fn key(&self) -> &'static str {
        match self.listing.order.key {
            OrderKey::CreateTime => "create_time",
            OrderKey::UpdateTime => "update_time",
            OrderKey::Email => "email_key",
            OrderKey::DisplayName => "lower(display_name)",
        }
    }
}

/// Whether a word leaves trigrams to `pg_trgm`, which looks at letters and digits alone. In a database
/// with the locale `C` those are the ones of ASCII.
fn is_indexed(word: &str) -> bool {
    let mut runs = word.split(|c: char| !c.is_ascii_alphanumeric());
    let least = word.chars().count().min(3);
    runs.any(|run| run.len() >= least)
}

/// Whether a part of a text has a trigram on either database.
fn has_trigram(part: &str) -> bool {
    part.chars().nth(2).is_some() && is_indexed(part)
}
