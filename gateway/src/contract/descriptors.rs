//! An upstream's descriptors as raw bytes: decoding and encoding them would lose extension options.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use portico_transcode::PoolError;
use prost::Message;
use prost_reflect::DescriptorPool;

/// Services that every server offers for itself; REST has its own ways to them.
const OWN_AFFAIRS: [&str; 2] = ["grpc.health.", "grpc.reflection."];

/// The files that declare an upstream's services, with all that they import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    services: BTreeSet<String>,
    files: BTreeMap<String, Bytes>,
}

/// A `google.protobuf.FileDescriptorSet` whose files stay encoded.
#[derive(Clone, PartialEq, Message)]
struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// As much of a `google.protobuf.FileDescriptorProto` as is asked for here. Each file is looked into
/// whenever an upstream is asked; whole ones would be taken apart only to be thrown away.
#[derive(Clone, PartialEq, Message)]
pub struct Header {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    /// The names of the files that it imports.
    #[prost(string, repeated, tag = "3")]
    pub dependency: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceHeader>,
}

/// As much of a `google.protobuf.ServiceDescriptorProto`.
#[derive(Clone, PartialEq, Message)]
struct ServiceHeader {
    #[prost(string, tag = "1")]
    name: String,
}

impl Descriptors {
    /// An encoded `FileDescriptorSet`; every service in it counts as offered.
    pub fn embedded(set: &'static [u8]) -> Result<Self, prost::DecodeError> {
        let mut all = Self::default();
        for file in RawSet::decode(Bytes::from_static(set))?.file {
            let header = all.insert(file)?;
            for service in header.service {
                let full = match header.package.as_str() {
                    "" => service.name,
                    package => format!("{package}.{}", service.name),
                };
                all.offer(full);
            }
        }
        Ok(all)
    }

    /// Counts a service as offered, unless it is one that only gRPC tools call.
    pub fn offer(&mut self, service: String) {
        if !OWN_AFFAIRS.iter().any(|it| service.starts_with(it)) {
            self.services.insert(service);
        }
    }

    /// Adds a file and returns what it says of itself. What else is in it is looked at by [`pool`](Self::pool).
    pub fn insert(&mut self, file: Bytes) -> Result<Header, prost::DecodeError> {
        let header = Header::decode(file.clone())?;
        self.files.insert(header.name.clone(), file);
        Ok(header)
    }

    /// The file of that name.
    pub fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.get(name)
    }

    /// The full names of the offered services.
    pub fn services(&self) -> &BTreeSet<String> {
        &self.services
    }

    /// How many files there are.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// A pool of all files.
    pub fn pool(&self) -> Result<DescriptorPool, PoolError> {
        let set = RawSet {
            file: self.files.values().cloned().collect(),
        };
        portico_transcode::pool(&set.encode_to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedded_set_names_its_services_and_keeps_their_options() {
        let user = Descriptors::embedded(portico_proto::user::DESCRIPTOR_SET).unwrap();
        for name in ["ProvisioningService", "UserEvents", "UserService"] {
            assert!(
                user.services().contains(&format!("portico.user.v1.{name}")),
                "{name}"
            );
        }
        // It imports messages of the user service, and offers none of its RPCs.
        let auth = Descriptors::embedded(portico_proto::auth::DESCRIPTOR_SET).unwrap();
        let mut names = auth.services().iter();
        assert!(
            names.all(|name| name.starts_with("portico.auth.v1.")),
            "{:?}",
            auth.services()
        );
        let pool = user.pool().unwrap();
        let http = pool.get_extension_by_name("google.api.http").unwrap();
        let get = pool
            .get_service_by_name("portico.user.v1.UserService")
            .unwrap()
            .methods()
            .find(|method| method.name() == "GetUser")
            .unwrap();
        assert!(get.options().has_extension(&http));
    }

    #[test]
    fn health_and_reflection_are_not_offered() {
        let mut some = Descriptors::default();
        some.offer("grpc.health.v1.Health".into());
        some.offer("grpc.reflection.v1alpha.ServerReflection".into());
        some.offer("orders.v1.Orders".into());
        assert_eq!(some.services().len(), 1);
    }
}
