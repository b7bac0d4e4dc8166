//! OAuth clients, and the assertions that they used.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::{Error, Expiring, Result, Storage, Transaction, all, execute, hash, one, split};
use crate::domain::{AuthMethod, GrantType, OAuthClient, PreviousSecret, SecretHash};

const COLUMNS: &str = "id, display_name, auth_method, grant_types, scopes, resources, jwks, introspects_all, \
                       disabled, secret_hash, previous_secret_hash, previous_secret_expire_time, epoch, revision, \
                       create_time, update_time";

/// Deleted clients stay until every process has heard of it.
pub(crate) const DELETED_CLIENTS: Expiring = Expiring {
    table: "oauth_clients",
    key: "id",
    over: "delete_time < $1",
    keep: |_| TimeDelta::days(1),
};

/// An assertion is remembered as long as it could be used again.
pub(crate) const CLIENT_ASSERTIONS: Expiring = Expiring {
    table: "client_assertions",
    key: "hash",
    over: "expire_time < $1",
    keep: |_| TimeDelta::minutes(5),
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    display_name: String,
    auth_method: String,
    grant_types: String,
    scopes: String,
    resources: String,
    jwks: String,
    introspects_all: bool,
    disabled: bool,
    secret_hash: Option<Vec<u8>>,
    previous_secret_hash: Option<Vec<u8>>,
    previous_secret_expire_time: Option<DateTime<Utc>>,
    epoch: i64,
    revision: i64,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

const CORRUPT: Error = Error::Corrupt("oauth_clients");

impl TryFrom<Row> for OAuthClient {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let secret = row.secret_hash.map(|bytes| hash(bytes).ok_or(CORRUPT));
        let previous = row
            .previous_secret_hash
            .map(|bytes| hash(bytes).ok_or(CORRUPT));
        let previous = previous.transpose()?.zip(row.previous_secret_expire_time);
        let grant_types = row.grant_types.split_ascii_whitespace();
        Ok(Self {
            id: row.id,
            display_name: row.display_name,
            auth_method: AuthMethod::parse(&row.auth_method).ok_or(CORRUPT)?,
            // A grant that a newer program knows is none here.
            grant_types: grant_types.filter_map(GrantType::parse).collect(),
            scopes: split(&row.scopes),
            resources: split(&row.resources),
            keys: serde_json::from_str(&row.jwks).map_err(|_| CORRUPT)?,
            introspects_all: row.introspects_all,
            disabled: row.disabled,
            secret: secret.transpose()?,
            previous_secret: previous
                .map(|(hash, expire_time)| PreviousSecret { hash, expire_time }),
            epoch: row.epoch,
            revision: row.revision,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}

#[derive(FromQueryResult)]
struct Changed {
    id: Uuid,
    revision: i64,
}

impl Storage {
    /// The client of an id.
    pub(crate) async fn client(&self, id: Uuid) -> Result<Option<OAuthClient>> {
        client(&self.db, id).await
    }

    /// Clients in the order of their ids, behind one of them.
    pub(crate) async fn clients(&self, behind: Uuid, most: u32) -> Result<Vec<OAuthClient>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM oauth_clients WHERE delete_time IS NULL AND id > $1 \
             ORDER BY id LIMIT {most}"
        );
        let rows: Vec<Row> = all(&self.db, &sql, [behind.into()]).await?;
        rows.into_iter().map(OAuthClient::try_from).collect()
    }

    /// Which clients changed since a moment, and the revision that they have now.
    pub(crate) async fn clients_changed(&self, since: DateTime<Utc>) -> Result<Vec<(Uuid, i64)>> {
        let rows: Vec<Changed> = all(
            &self.db,
            "SELECT id, revision FROM oauth_clients WHERE update_time > $1",
            [since.into()],
        )
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.revision)).collect())
    }

    /// Adds a client.
    pub(crate) async fn add_client(&self, client: &OAuthClient) -> Result<()> {
        let sql = format!(
            "INSERT INTO oauth_clients ({COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        );
        let previous = client.previous_secret;
        execute(
            &self.db,
            &sql,
            [
                client.id.into(),
                client.display_name.as_str().into(),
                client.auth_method.as_str().into(),
                names(client).into(),
                words(&client.scopes).into(),
                client.resources.join(" ").into(),
                keys(client).into(),
                client.introspects_all.into(),
                client.disabled.into(),
                client.secret.map(|hash| hash.to_vec()).into(),
                previous.map(|it| it.hash.to_vec()).into(),
                previous.map(|it| it.expire_time).into(),
                client.epoch.into(),
                client.revision.into(),
                client.create_time.into(),
                client.update_time.into(),
            ],
        )
        .await?;
        Ok(())
    }

    /// Takes an assertion as used. Says whether it was not used before.
    pub(crate) async fn use_assertion(
        &self,
        hash: &SecretHash,
        expire_time: DateTime<Utc>,
    ) -> Result<bool> {
        let added = execute(
            &self.db,
            "INSERT INTO client_assertions (hash, expire_time) VALUES ($1, $2) \
             ON CONFLICT (hash) DO NOTHING",
            [hash.to_vec().into(), expire_time.into()],
        )
        .await?;
        Ok(added == 1)
    }
}

impl Transaction {
    /// The client of an id.
    pub(crate) async fn client(&self, id: Uuid) -> Result<Option<OAuthClient>> {
        client(&self.0, id).await
    }

    /// Stores a client in place of its `revision` of before. Says whether that one was there.
    pub(crate) async fn save_client(&self, client: &OAuthClient, before: i64) -> Result<bool> {
        let previous = client.previous_secret;
        let saved = execute(
            &self.0,
            "UPDATE oauth_clients SET display_name = $3, grant_types = $4, scopes = $5, \
             resources = $6, jwks = $7, introspects_all = $8, disabled = $9, secret_hash = $10, \
             previous_secret_hash = $11, previous_secret_expire_time = $12, epoch = $13, \
             revision = $14, update_time = $15 \
             WHERE id = $1 AND revision = $2 AND delete_time IS NULL",
            [
                client.id.into(),
                before.into(),
                client.display_name.as_str().into(),
                names(client).into(),
                words(&client.scopes).into(),
                client.resources.join(" ").into(),
                keys(client).into(),
                client.introspects_all.into(),
                client.disabled.into(),
                client.secret.map(|hash| hash.to_vec()).into(),
                previous.map(|it| it.hash.to_vec()).into(),
                previous.map(|it| it.expire_time).into(),
                client.epoch.into(),
                client.revision.into(),
                client.update_time.into(),
            ],
        )
        .await?;
        Ok(saved == 1)
    }

    /// Deletes a client, secrets and all.
    pub(crate) async fn delete_client(&self, id: Uuid, now: DateTime<Utc>) -> Result<()> {
        execute(
            &self.0,
            "UPDATE oauth_clients SET delete_time = $2, update_time = $2, revision = revision + 1, \
             secret_hash = NULL, previous_secret_hash = NULL, jwks = '[]' WHERE id = $1",
            [id.into(), now.into()],
        )
        .await?;
        Ok(())
    }
}

async fn client(on: &impl ConnectionTrait, id: Uuid) -> Result<Option<OAuthClient>> {
    let sql = format!("SELECT {COLUMNS} FROM oauth_clients WHERE id = $1 AND delete_time IS NULL");
    let row: Option<Row> = one(on, &sql, [id.into()]).await?;
    row.map(OAuthClient::try_from).transpose()
}

fn names(client: &OAuthClient) -> String {
    let names = client.grant_types.iter().map(|grant| grant.as_str());
    names.collect::<Vec<_>>().join(" ")
}

fn keys(client: &OAuthClient) -> String {
    serde_json::to_string(&client.keys).expect("keys are texts")
}

/// Scopes as one text.
pub(super) fn words(scopes: &crate::domain::Scopes) -> String {
    scopes
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}
