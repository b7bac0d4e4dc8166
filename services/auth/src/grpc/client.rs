//! Where a call came from, as the edge reports it.

use std::net::IpAddr;

use tonic::metadata::MetadataMap;

use crate::domain::Client;

/// How much of a `User-Agent` is kept, in characters.
const MOST_CHARACTERS: usize = 256;

impl From<&MetadataMap> for Client {
    fn from(metadata: &MetadataMap) -> Self {
        let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
        // A gRPC client sends a `user-agent` of its own, so the edge may use another name.
        let user_agent = text("portico-user-agent").or_else(|| text("user-agent"));
        let address = text("x-forwarded-for")
            .and_then(|list| list.split(',').next())
            .and_then(|first| first.trim().parse::<IpAddr>().ok());
        Self {
            user_agent: user_agent
                .unwrap_or_default()
                .chars()
                .take(MOST_CHARACTERS)
                .collect(),
            ip_address: address
                .map(|address| address.to_string())
                .unwrap_or_default(),
            device_name: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(pairs: &[(&'static str, &str)]) -> Client {
        let mut metadata = MetadataMap::new();
        for (name, value) in pairs {
            metadata.insert(*name, value.parse().expect("metadata"));
        }
        Client::from(&metadata)
    }

    #[test]
    fn the_first_address_counts_and_must_be_one() {
        let address = |value| client(&[("x-forwarded-for", value)]).ip_address;
        assert_eq!(address("203.0.113.7, 10.0.0.1"), "203.0.113.7");
        assert_eq!(address("2001:DB8::1"), "2001:db8::1");
        assert_eq!(address("<script>"), "");
        assert_eq!(client(&[]).ip_address, "");
    }

    #[test]
    fn the_name_that_the_edge_forwards_comes_before_its_own() {
        let both = [
            ("portico-user-agent", "Firefox"),
            ("user-agent", "tonic/0.14"),
        ];
        assert_eq!(client(&both).user_agent, "Firefox");
        assert_eq!(client(&both[1..]).user_agent, "tonic/0.14");
        let long = "x".repeat(1000);
        assert_eq!(client(&[("user-agent", &long)]).user_agent.len(), 256);
    }
}
