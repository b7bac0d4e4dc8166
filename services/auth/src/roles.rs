//! What the roles allow, held in memory so that no sign-in has to ask.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use portico_caller::INTERNAL_SCOPE;

use crate::{
    domain::Scopes,
    storage::{self, Storage},
};

/// The scopes of every role. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    storage: Storage,
    scopes: Arc<ArcSwap<HashMap<String, Scopes>>>,
}

impl Roles {
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            storage,
            scopes: Arc::default(),
        }
    }

    /// Reads the roles again.
    pub(crate) async fn reload(&self) -> storage::Result<()> {
        let mut roles = self.storage.roles().await?;
        for scopes in roles.values_mut() {
            // What opens internal methods is for services alone, whatever a role says.
            scopes.remove(INTERNAL_SCOPE);
        }
        self.scopes.store(Arc::new(roles));
        Ok(())
    }

    /// What these roles allow together. Where one is not known, another process may have heard of it: they are read
    /// again. A role of which nobody has heard allows nothing.
    pub(crate) async fn scopes_of(&self, roles: &[String]) -> storage::Result<Scopes> {
        if !self.know(roles) {
            self.reload().await?;
        }
        let known = self.scopes.load();
        let scopes = roles.iter().filter_map(|role| known.get(role)).flatten();
        Ok(scopes.cloned().collect())
    }

    /// Whether all of these roles are known.
    pub(crate) fn know(&self, roles: &[String]) -> bool {
        let known = self.scopes.load();
        roles.iter().all(|role| known.contains_key(role))
    }
}
