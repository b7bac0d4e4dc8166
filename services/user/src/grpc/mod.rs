//! The services of the contract: each method takes a request apart, calls a use case and gives its
//! answer.

mod events;
mod provisioning;
mod request;
mod roles;
mod transfer;
mod users;

pub use events::Events;
pub use provisioning::Provisioning;
pub use roles::RoleApi;
pub use transfer::Transfer;
pub use users::UserApi;
