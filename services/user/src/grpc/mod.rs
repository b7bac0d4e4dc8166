//! The services of the contract: each method takes a request apart, calls a use case and gives its
//! answer.

mod events;
mod provisioning;
mod request;
mod roles;
mod transfer;
mod users;

use portico_caller::Caller;
use portico_proto::user::v1 as pb;

use crate::{
    domain::{Account, Authority, RoleName},
    wire,
};

pub use events::Events;
pub use provisioning::Provisioning;
pub use roles::RoleApi;
pub use transfer::Transfer;
pub use users::UserApi;

/// Reading all accounts needs it.
const READ: &str = "users:read";

/// An account as that caller may see it: what is kept for administrators goes to who may read all
/// accounts.
fn shown(account: &Account, caller: &Caller) -> pb::User {
    if caller.has_scope(READ) {
        wire::user(account)
    } else {
        wire::myself(account)
    }
}

/// What a caller may give away.
fn authority(caller: &Caller) -> Authority {
    Authority {
        scopes: caller.scopes.iter().map(str::to_owned).collect(),
        administrator: caller.roles.iter().any(|role| role == RoleName::ADMIN),
    }
}
