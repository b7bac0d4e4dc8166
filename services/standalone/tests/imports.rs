//! The rules of `deny.toml`, and who may import whom, held over `cargo metadata`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};
use toml::Table;

/// What each of our crates may import of ours, tests aside.
const LAYERS: [(&str, &[&str]); 13] = [
    ("acme-orders", &[]),
    ("portico-proto", &[]),
    ("portico-telemetry", &[]),
    ("portico-transcode", &[]),
    ("portico-testing", &[]),
    ("portico-cache", &[]),
    ("portico-service", &["portico-proto", "portico-telemetry"]),
    (
        "portico-caller",
        &[
            "portico-cache",
            "portico-proto",
            "portico-service",
            "portico-telemetry",
        ],
    ),
    (
        "portico-gateway",
        &[
            "portico-cache",
            "portico-caller",
            "portico-proto",
            "portico-service",
            "portico-telemetry",
            "portico-transcode",
        ],
    ),
    ("portico-user", SERVICE),
    ("portico-auth", SERVICE),
    (
        "portico",
        &[
            "portico-auth",
            "portico-cache",
            "portico-caller",
            "portico-gateway",
            "portico-proto",
            "portico-service",
            "portico-telemetry",
            "portico-user",
        ],
    ),
    (
        "portico-load",
        &["portico-caller", "portico-proto", "portico-service"],
    ),
];

const SERVICE: &[&str] = &[
    "portico-cache",
    "portico-caller",
    "portico-proto",
    "portico-service",
    "portico-telemetry",
];

#[test]
fn each_crate_imports_only_its_layer_and_below() {
    let metadata = metadata();
    let layers = BTreeMap::from(LAYERS);
    for package in metadata.workspace_packages() {
        let allowed = layers
            .get(package.name.as_str())
            .unwrap_or_else(|| panic!("{} has no place in LAYERS", package.name));
        for dependency in &package.dependencies {
            if dependency.kind != DependencyKind::Development
                && dependency.name.starts_with("portico")
            {
                assert!(
                    allowed.contains(&dependency.name.as_str()),
                    "{} must not import {}",
                    package.name,
                    dependency.name
                );
            }
        }
    }
}

#[test]
fn the_gateway_never_links_a_database() {
    let gateway = closure(&metadata(), "portico-gateway");
    assert!(
        gateway.contains("actix-web"),
        "the closure of the gateway is not read right"
    );
    assert!(
        !gateway.contains("sea-orm"),
        "portico-gateway links sea-orm"
    );
    assert!(!gateway.contains("sqlx-core"), "portico-gateway links sqlx");
}

#[test]
fn banned_crates_are_reached_by_their_wrappers_alone() {
    let metadata = metadata();
    let rules = rules();
    let bans = rules["bans"]["deny"]
        .as_array()
        .expect("bans.deny is a list");
    for ban in bans {
        let banned = ban["crate"].as_str().expect("each ban names a crate");
        let wrappers: Vec<&str> = ban
            .get("wrappers")
            .and_then(|w| w.as_array())
            .map(|w| w.iter().filter_map(|name| name.as_str()).collect())
            .unwrap_or_default();
        for (parent, child) in edges(&metadata) {
            assert!(
                child != banned || wrappers.contains(&parent.as_str()),
                "{parent} must not import {banned}"
            );
        }
    }
}

#[test]
fn every_licence_is_allowed() {
    let rules = rules();
    let allowed: Vec<&str> = rules["licenses"]["allow"]
        .as_array()
        .expect("licenses.allow is a list")
        .iter()
        .filter_map(|licence| licence.as_str())
        .collect();
    for package in metadata().packages {
        let licence = package.license.as_deref().unwrap_or("none");
        // Each part of a conjunction needs one allowed alternative.
        let fine = licence.replace('/', " OR ").split(" AND ").all(|part| {
            part.split(" OR ")
                .any(|one| allowed.contains(&one.trim_matches(['(', ')', ' '])))
        });
        assert!(fine, "{} is licensed as {licence}", package.name);
    }
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .features(CargoOpt::AllFeatures)
        .other_options(["--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from))
        .exec()
        .expect("cargo metadata runs")
}

fn rules() -> Table {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deny.toml");
    fs::read_to_string(page)
        .expect("deny.toml is there")
        .parse()
        .expect("deny.toml is TOML")
}

/// Every resolved dependency, tests aside, as parent and child.
fn edges(metadata: &Metadata) -> Vec<(String, String)> {
    let resolve = metadata.resolve.as_ref().expect("metadata is resolved");
    let mut edges = Vec::new();
    for node in &resolve.nodes {
        for dependency in &node.deps {
            if dependency
                .dep_kinds
                .iter()
                .any(|k| k.kind != DependencyKind::Development)
            {
                edges.push((
                    metadata[&node.id].name.to_string(),
                    metadata[&dependency.pkg].name.to_string(),
                ));
            }
        }
    }
    edges
}

/// Everything that a crate links as it is built on its own, by `cargo tree`: `cargo metadata` turns
/// every feature on, and the frame's database is behind one.
fn closure(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree", "--locked", "--prefix", "none", "--format", "{lib}", "--edges", "normal",
        ])
        .args(["--package", package, "--manifest-path"])
        .arg(metadata.workspace_root.join("Cargo.toml"))
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| line.trim_end_matches(" (*)").replace('_', "-"))
        .collect()
}
