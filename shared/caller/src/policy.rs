//! The rules for RPCs, read from their descriptors.

mod raw;

use std::{collections::HashMap, time::Duration};

use portico_proto::policy;
use prost::Message;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};
use tracing::error;

/// The longest time that an RPC can ask for.
const LONGEST: Duration = Duration::from_hours(1);

/// Who is let in at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever holds a valid access token.
    #[default]
    Authenticated,
    /// Services of the same deployment; never routed by the gateway.
    Internal,
}

/// The rules for one RPC. The default is what an RPC without the option gets: a token, and no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who is let in at all.
    pub access: Access,
    /// The scopes of which the token must hold every one.
    pub scopes: Vec<String>,
    /// The path of the request field that holds an account id; its owner needs none of the scopes.
    pub self_field: Option<String>,
    /// The class of rate limit that counts the RPC.
    pub rate_limit: Option<String>,
    /// Whether a call may be repeated without changing more than the first one did.
    pub idempotent: bool,
    /// How long a call may take as a whole, instead of what the gateway allows by default.
    pub timeout: Option<Duration>,
}

/// The rules for all RPCs of some services.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    by_path: HashMap<String, Policy>,
    faults: Vec<String>,
    default: Policy,
}

impl Policies {
    /// Reads the policy option of every method in the pool.
    ///
    /// A pool that does not know the option yields the default for each. An option that makes no sense
    /// (unreadable, of an unknown access, or with a `self` that names no field of text) closes its
    /// method to all but services; a line in the log says so, and [`faults`](Self::faults) lists it.
    pub fn from_pool(pool: &DescriptorPool) -> Self {
        let mut policies = Self::default();
        let Some(extension) = pool.get_extension_by_name(policy::EXTENSION) else {
            return policies;
        };
        for file in pool.files() {
            let options = raw::method_options(&file.encode_to_vec());
            for (service, raw) in file.services().zip(&options) {
                for (method, options) in service.methods().zip(raw) {
                    let path = format!("/{}/{}", service.full_name(), method.name());
                    let policy = read(&method, options, extension.number());
                    policies.add(path, policy);
                }
            }
        }
        policies
    }

    fn add(&mut self, path: String, policy: Result<Option<Policy>, &'static str>) {
        let policy = match policy {
            Ok(Some(policy)) => policy,
            Ok(None) => return,
            Err(fault) => {
                error!(
                    method = path,
                    fault, "closed a method whose policy makes no sense"
                );
                self.faults.push(format!("{path}: {fault}"));
                Policy {
                    access: Access::Internal,
                    ..Policy::default()
                }
            }
        };
        self.by_path.insert(path, policy);
    }

    /// The rules for a method by its gRPC path, such as `/portico.user.v1.UserService/GetUser`. Unknown
    /// methods need a token and nothing more.
    pub fn get(&self, grpc_path: &str) -> &Policy {
        self.by_path.get(grpc_path).unwrap_or(&self.default)
    }

    /// The methods that were closed because their policy makes no sense, each with the reason.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// The policy of a method. Goes by field numbers, so it does not matter whose copy of the definition
/// the pool holds.
fn read(
    method: &MethodDescriptor,
    options: &[u8],
    number: u32,
) -> Result<Option<Policy>, &'static str> {
    let Some(bytes) = raw::field(options, number).map_err(|_| "it cannot be read")? else {
        return Ok(None);
    };
    let raw = policy::v1::Policy::decode(bytes.as_slice()).map_err(|_| "it cannot be read")?;
    let access = match policy::v1::Access::try_from(raw.access) {
        Ok(policy::v1::Access::Unspecified | policy::v1::Access::Authenticated) => {
            Access::Authenticated
        }
        Ok(policy::v1::Access::Public) => Access::Public,
        Ok(policy::v1::Access::Internal) => Access::Internal,
        Err(_) => return Err("its access is unknown"),
    };
    let self_field = some(raw.self_);
    if let Some(path) = &self_field {
        if !names_text(&method.input(), path) {
            return Err("its self names no text field of the request");
        }
        if access == Access::Public {
            return Err("a public method has no use for self");
        }
    }
    if access == Access::Public && !raw.scopes.is_empty() {
        return Err("a public method has no use for scopes");
    }
    let timeout = raw.timeout.map(Duration::try_from).transpose();
    let timeout = timeout.map_err(|_| "its timeout is negative")?;
    if timeout.is_some_and(|it| it.is_zero() || it > LONGEST) {
        return Err("its timeout is none, or longer than an hour");
    }
    Ok(Some(Policy {
        access,
        scopes: raw.scopes,
        self_field,
        rate_limit: some(raw.rate_limit),
        idempotent: raw.idempotent,
        timeout,
    }))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Whether a path such as `user.id` leads through single messages to a single string.
fn names_text(message: &MessageDescriptor, path: &str) -> bool {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let Some(field) = message.get_field_by_name(name) else {
        return false;
    };
    match (field.kind(), rest) {
        _ if field.is_list() || field.is_map() => false,
        (Kind::String, None) => true,
        (Kind::Message(inner), Some(rest)) => names_text(&inner, rest),
        _ => false,
    }
}
