//! The whole document, over all upstreams.

mod merge;
mod siblings;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ptr,
    sync::Arc,
};

use portico_transcode::PoolError;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tracing::{debug, warn};

use super::{
    json::{Json, Object},
    notes::Notes,
    operation::{self, Source},
    parameters,
    path::{self, Path},
    responses,
    schema::Schemas,
    security,
};
use crate::contract::{Contract, Mount, Route};

/// The methods that OpenAPI knows, in the order in which they are listed.
const METHODS: [&str; 8] = [
    "get", "post", "put", "patch", "delete", "head", "options", "trace",
];

/// What a rule for every method stands for.
const EVERY: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Describes a contract. An upstream whose descriptors cannot be read, although its routes were made of
/// them, is left out with a line in the log.
pub fn describe(contract: &Contract) -> Json {
    let granted: HashSet<*const Route> = contract.routes().map(ptr::from_ref).collect();
    let upstreams: BTreeSet<usize> = contract.routes().map(|route| route.upstream).collect();
    let mounts: Vec<Served<'_>> = upstreams
        .into_iter()
        .filter_map(|upstream| Served::of(contract.mount(upstream)?, &granted))
        .collect();
    let names = Names::of(&mounts);
    let mut builder = Builder {
        names,
        ids: HashSet::new(),
        tags: BTreeMap::new(),
        schemas: BTreeMap::from([(responses::PROBLEM.to_owned(), responses::problem().into())]),
        paths: Object::default(),
    };
    for mount in &mounts {
        builder.mount(mount);
    }
    builder.finish()
}

/// An upstream with the routes that it was granted, in the order of its files.
struct Served<'m> {
    upstream: usize,
    pool: DescriptorPool,
    routes: Vec<(&'m Arc<Route>, Path)>,
}

impl<'m> Served<'m> {
    fn of(mount: &'m Mount, granted: &HashSet<*const Route>) -> Option<Self> {
        let routes = mount.routes.iter();
        let routes = routes.filter(|route| granted.contains(&Arc::as_ptr(route)));
        let pool: Result<_, PoolError> = mount.descriptors.pool();
        match pool {
            Ok(pool) => Some(Self {
                upstream: mount.upstream,
                pool,
                routes: routes
                    .map(|route| (route, Path::of(&route.template)))
                    .collect(),
            }),
            Err(error) => {
                let upstream = mount.upstream;
                warn!(upstream, %error, "an upstream is missing from the reference");
                None
            }
        }
    }
}

/// What the variables of paths are called, by the paths' shapes.
struct Names(HashMap<String, Vec<String>>);

impl Names {
    fn of(mounts: &[Served<'_>]) -> Self {
        let mut shapes: HashMap<String, Vec<&Path>> = HashMap::new();
        for (_, path) in mounts.iter().flat_map(|mount| &mount.routes) {
            shapes.entry(path.shape()).or_default().push(path);
        }
        let agreed = shapes.into_iter();
        Self(
            agreed
                .map(|(shape, paths)| (shape, path::agree(paths.into_iter())))
                .collect(),
        )
    }

    fn get(&self, path: &Path) -> &[String] {
        self.0.get(&path.shape()).map_or(&[], Vec::as_slice)
    }
}

struct Builder {
    names: Names,
    /// The operations' ids.
    ids: HashSet<String>,
    /// The full name of the service behind each tag, by the tag's name.
    tags: BTreeMap<String, Tag>,
    schemas: BTreeMap<String, Json>,
    paths: Object,
}

struct Tag {
    service: String,
    comment: String,
}

impl Builder {
    fn mount(&mut self, mount: &Served<'_>) {
        let notes = Notes::of(&mount.pool);
        let mut schemas = Schemas::new(&notes);
        let mut operations = Vec::new();
        for (route, path) in &mount.routes {
            let Some(method) = method(&mount.pool, route) else {
                continue;
            };
            let tag = self.tag(&method, &notes);
            let names = self.names.get(path).to_vec();
            for verb in verbs(&route.binding.http_method) {
                let operation = operation::operation(
                    &mut schemas,
                    &Source {
                        route,
                        method: &method,
                        path,
                        names: &names,
                        tag: &tag,
                        id: self.id(&method),
                    },
                );
                operations.push((path.named(&names), verb, Json::Object(operation)));
            }
        }
        let renamed = merge::merge(&mut self.schemas, schemas.finish(), mount.upstream);
        for (path, verb, mut operation) in operations {
            operation.refer(&|it| renamed.reference(it));
            self.put(&path, &verb, operation);
        }
    }

    fn put(&mut self, path: &str, verb: &str, operation: Json) {
        let item = self.paths.slot(path.to_owned()).object_mut();
        let verb = verb.to_ascii_lowercase();
        if METHODS.contains(&verb.as_str()) {
            // A wildcard and a variable make the same path here; the earlier one is listed.
            if item.get(&verb).is_some() {
                debug!(path, verb, "two routes have one path in the reference");
                return;
            }
            item.put(verb, operation);
        } else {
            let others = item.slot("x-other-methods".to_owned()).object_mut();
            others.put(verb.to_ascii_uppercase(), operation);
        }
    }

    /// The tag of a service: its short name, unless another service has it.
    fn tag(&mut self, method: &MethodDescriptor, notes: &Notes) -> String {
        let service = method.parent_service();
        let full = service.full_name();
        for name in [service.name(), full] {
            match self.tags.get(name) {
                Some(tag) if tag.service != full => {}
                Some(_) => return name.to_owned(),
                None => {
                    let tag = Tag {
                        service: full.to_owned(),
                        comment: notes.on(full).comment.clone(),
                    };
                    self.tags.insert(name.to_owned(), tag);
                    return name.to_owned();
                }
            }
        }
        full.to_owned()
    }

    /// An id for one more operation of an RPC.
    fn id(&mut self, method: &MethodDescriptor) -> String {
        let service = method.parent_service();
        let short = format!("{}_{}", service.name(), method.name());
        let full = method.full_name().replace('.', "_");
        let owner = |tags: &BTreeMap<String, Tag>| {
            tags.get(service.name())
                .is_none_or(|tag| tag.service == service.full_name())
        };
        let name = if owner(&self.tags) { short } else { full };
        let more = (2..).map(|count| format!("{name}_{count}"));
        let mut free = std::iter::once(name.clone()).chain(more);
        let id = free.find(|it| !self.ids.contains(it)).unwrap_or(name);
        self.ids.insert(id.clone());
        id
    }

    fn finish(mut self) -> Json {
        self.paths.sort();
        for (_, item) in self.paths.values_mut() {
            let item = item.object_mut();
            siblings::share(item);
            in_order(item);
        }
        let tags: Vec<Object> = self
            .tags
            .iter()
            .map(|(name, tag)| {
                let described = Object::default().with("name", name.as_str());
                match tag.comment.as_str() {
                    "" => described,
                    comment => described.with("description", comment),
                }
            })
            .collect();
        let mut schemas = Object::default();
        for (name, schema) in self.schemas {
            schemas.put(name, schema);
        }
        let components = Object::default()
            .with("schemas", schemas)
            .with("parameters", parameters::shared())
            .with("responses", responses::shared())
            .with("headers", responses::headers())
            .with("securitySchemes", security::shared());
        let info = Object::default()
            .with("title", "Portico")
            .with("version", env!("CARGO_PKG_VERSION"))
            .with(
                "description",
                "Every route of every service behind this gateway. Names are in lowerCamelCase, times are RFC 3339, \
                 and a refusal is an `application/problem+json` document (RFC 9457) whose `code` is stable.",
            );
        Object::default()
            .with("openapi", "3.1.0")
            .with("info", info)
            .with("servers", [Object::default().with("url", "/")])
            .with("tags", tags)
            .with("paths", self.paths)
            .with("components", components)
            .into()
    }
}

fn in_order(item: &mut Object) {
    for name in METHODS {
        if let Some(operation) = item.remove(name) {
            item.put(name, operation);
        }
    }
}

fn method(pool: &DescriptorPool, route: &Route) -> Option<MethodDescriptor> {
    let (service, name) = route.binding.grpc_path.strip_prefix('/')?.split_once('/')?;
    let service = pool.get_service_by_name(service)?;
    service.methods().find(|it| it.name() == name)
}

/// The methods of a rule: `*` is every one.
fn verbs(method: &str) -> Vec<String> {
    match method {
        "*" => EVERY.map(str::to_owned).to_vec(),
        method => vec![method.to_owned()],
    }
}
