//! What the edge believes, bears and allows: lists in text, and the rules for them.

use std::{net::IpAddr, ops::RangeInclusive};

use ipnet::IpNet;

use super::{GatewayConfig, rate_limits};

const HOUR: u64 = 60 * 60;

impl GatewayConfig {
    /// The networks of the proxies in front.
    pub fn proxies(&self) -> Vec<IpNet> {
        items(&self.trusted_proxies).filter_map(network).collect()
    }

    /// The origins of pages that may read answers.
    pub fn origins(&self) -> Vec<&str> {
        items(&self.cors_origins).collect()
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(one)
}

/// Whether it is an origin as browsers write it (RFC 6454, section 6.2): scheme, host in lower case, and the
/// port unless it is the scheme's own.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    let own = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | ':' | '[' | ']');
    uri.host().is_some_and(|host| !host.is_empty())
        && uri.port_u16() != Some(own)
        && rest.chars().all(plain)
}

/// All that is wrong: the key and the fault.
pub(super) fn faults(gateway: &GatewayConfig) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let numbers: [(_, u64, RangeInclusive<u64>); 8] = [
        (
            "gateway.uri_limit_bytes",
            gateway.uri_limit_bytes as u64,
            256..=64 << 10,
        ),
        (
            "gateway.header_limit_bytes",
            gateway.header_limit_bytes as u64,
            1024..=128 << 10,
        ),
        (
            "gateway.connections",
            gateway.connections as u64,
            1..=1 << 20,
        ),
        (
            "gateway.head_timeout_seconds",
            gateway.head_timeout_seconds,
            1..=HOUR,
        ),
        (
            "gateway.keep_alive_seconds",
            gateway.keep_alive_seconds,
            1..=HOUR,
        ),
        (
            "gateway.write_timeout_seconds",
            gateway.write_timeout_seconds,
            1..=HOUR,
        ),
        (
            "gateway.hsts_seconds",
            gateway.hsts_seconds,
            0..=10 * 365 * 24 * HOUR,
        ),
        (
            "gateway.compress_from_bytes",
            gateway.compress_from_bytes as u64,
            0..=1 << 30,
        ),
    ];
    for (path, value, range) in numbers {
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            let fault = format!("{value} is out of range; accepted: {least} to {most}");
            faults.push((path, fault));
        }
    }
    for item in items(&gateway.trusted_proxies).filter(|it| network(it).is_none()) {
        let fault =
            format!("{item:?} is no network; accepted: 10.0.0.0/8, 2001:db8::/32, 192.0.2.1");
        faults.push(("gateway.trusted_proxies", fault));
    }
    let header = gateway.forwarded_header.as_str();
    if !matches!(header, "x-forwarded-for" | "forwarded") {
        let fault = format!("{header:?} is not known; accepted: x-forwarded-for or forwarded");
        faults.push(("gateway.forwarded_header", fault));
    }
    for item in items(&gateway.cors_origins).filter(|it| !is_origin(it)) {
        let fault = format!("{item:?} is no origin; accepted: https://app.example.org");
        faults.push(("gateway.cors_origins", fault));
    }
    for (class, limits) in &gateway.rate_limits {
        let path = "gateway.rate_limits";
        let plain = class.starts_with(|c: char| c.is_ascii_lowercase())
            && class
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'));
        if !plain || class.len() > 63 {
            let fault =
                format!("{class:?} is no name; accepted: a-z, 0-9, - and _, a letter first");
            faults.push((path, fault));
        }
        if let Err(fault) = rate_limits::parse(limits) {
            faults.push((path, format!("{class}: {fault}")));
        }
    }
    faults
}
