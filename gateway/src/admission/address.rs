//! Whose a request is, by its address.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use actix_web::{HttpRequest, http::header::HeaderMap};
use http::HeaderValue;
use ipnet::IpNet;
use portico_service::config::GatewayConfig;

use super::Gate;
use crate::admission::gate::{Running, Seat};

/// The most hops that are looked at.
const MOST_HOPS: usize = 64;

/// A client's address, in the forms that are needed.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address itself.
    pub address: IpAddr,
    /// As services are told.
    pub header: HeaderValue,
    /// What is counted: the address, or for IPv6 its network of /64, which is what one subscriber has.
    pub counted: Box<str>,
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    client: Client,
    trusted: bool,
    running: Running,
    _seat: Seat,
}

/// The proxies that are believed when they say whose a request is, and where they say it.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    networks: Vec<IpNet>,
    rfc7239: bool,
}

/// A peer whose address the system does not tell.
static UNKNOWN: LazyLock<Client> = LazyLock::new(|| Client::new(Ipv4Addr::UNSPECIFIED.into()));

impl Client {
    /// The client with that address.
    pub fn new(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let header = HeaderValue::try_from(address.to_string());
        Self {
            address,
            header: header.expect("an address is visible ASCII"),
            counted: subscriber(address).to_string().into(),
        }
    }

    /// Whose a request is. What a proxy says is believed only if the connection comes from a trusted one.
    pub fn of<'r>(request: &'r HttpRequest, proxies: &Proxies) -> Cow<'r, Self> {
        let Some(peer) = request.conn_data::<Peer>() else {
            return Cow::Borrowed(&UNKNOWN);
        };
        if peer.trusted
            && let Some(address) = proxies.client(request.headers())
        {
            return Cow::Owned(Self::new(address));
        }
        Cow::Borrowed(&peer.client)
    }
}

/// An IPv4 address as it is, an IPv6 address without its last 64 bits.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl Peer {
    /// The peer with that address, which holds a seat at the gate for as long as this lives.
    pub fn new(address: SocketAddr, proxies: &Proxies, gate: &Gate) -> Self {
        let address = address.ip();
        let trusted = proxies.trust(address);
        Self {
            client: Client::new(address),
            trusted,
            running: Running::default(),
            _seat: gate.enter(address, trusted),
        }
    }

    /// Which requests run on the connection.
    pub fn running(&self) -> &Running {
        &self.running
    }
}

impl Proxies {
    /// Those of the configuration.
    pub fn new(config: &GatewayConfig) -> Self {
        Self {
            networks: config.proxies(),
            rfc7239: config.forwarded_header == "forwarded",
        }
    }

    /// Whether an address is one of a trusted proxy.
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|it| it.contains(&address))
    }

    /// The address that the trusted proxies agree on: from right to left the first that is not one of
    /// theirs, since whatever stands further left, anybody may have written. Where one of them wrote
    /// something that is no address, the address right of it is the last that is known.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let hops = if self.rfc7239 {
            forwarded(headers)?
        } else {
            x_forwarded_for(headers)?
        };
        let mut client = None;
        for hop in hops.into_iter().rev() {
            let Some(address) = hop else { break };
            client = Some(address);
            if !self.trust(address) {
                break;
            }
        }
        client
    }
}

/// The hops of `X-Forwarded-For`, `None` for what is no address.
fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    for value in headers.get_all("x-forwarded-for") {
        let items = value.to_str().ok()?.split(',');
        hops.extend(items.map(|item| address(item.trim())));
    }
    (hops.len() <= MOST_HOPS).then_some(hops)
}

/// The hops of `Forwarded` (RFC 7239, section 4).
fn forwarded(headers: &HeaderMap) -> Option<Vec<Option<IpAddr>>> {
    let mut hops = Vec::new();
    for value in headers.get_all("forwarded") {
        for element in split(value.to_str().ok()?, ',') {
            let pairs = split(element, ';').into_iter();
            let mut addresses = pairs.filter_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("for").then(|| {
                    let value = value.trim();
                    let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
                    address(quoted.unwrap_or(value))
                })
            });
            hops.push(addresses.next().flatten());
        }
    }
    (hops.len() <= MOST_HOPS).then_some(hops)
}

/// Parts between separators that do not stand in quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if c == separator && !quoted {
            parts.push(&text[start..at]);
            start = at + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// An address, perhaps with a port, in brackets if it is IPv6 and has one.
fn address(text: &str) -> Option<IpAddr> {
    let plain = || text.parse::<IpAddr>().ok();
    let ported = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let found = plain().or_else(ported).or_else(bracketed)?;
    Some(found.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn proxies(rfc7239: bool) -> Proxies {
        let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"];
        Proxies {
            networks: networks.iter().map(|it| it.parse().unwrap()).collect(),
            rfc7239,
        }
    }

    fn client(name: &'static str, lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_str(line).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        let client = proxies(name == "forwarded").client(&headers);
        client.map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxys_is_the_clients() {
        for (lines, expected) in [
            (&["203.0.113.7"][..], Some("203.0.113.7")),
            (&["6.6.6.6, 203.0.113.7"], Some("203.0.113.7")),
            (&["6.6.6.6, 203.0.113.7, 10.1.1.1"], Some("203.0.113.7")),
            (&["6.6.6.6", "203.0.113.7,10.1.1.1"], Some("203.0.113.7")),
            (&["203.0.113.7:4711"], Some("203.0.113.7")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (&["::ffff:203.0.113.7"], Some("203.0.113.7")),
            // All of them are proxies: the one that began.
            (&["10.0.0.1, 10.0.0.2"], Some("10.0.0.1")),
            // What is no address ends what is known.
            (&["203.0.113.7, unknown, 10.0.0.2"], Some("10.0.0.2")),
            (&["6.6.6.6, garbage"], None),
            (&[""], None),
            (&[], None),
        ] {
            let found = client("x-forwarded-for", lines);
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        for (lines, expected) in [
            (&["for=203.0.113.7"][..], Some("203.0.113.7")),
            (
                &["For=\"[2001:db8::1]:80\";proto=https"],
                Some("2001:db8::1"),
            ),
            (
                &["proto=http;for=203.0.113.7;by=\"a,b\""],
                Some("203.0.113.7"),
            ),
            (
                &["for=6.6.6.6, for=203.0.113.7, for=10.0.0.1"],
                Some("203.0.113.7"),
            ),
            (
                &["for=203.0.113.7, for=_hidden, for=10.0.0.1"],
                Some("10.0.0.1"),
            ),
            (&["for=\"6.6.6.6, for=7.7.7.7"], None),
            (&["by=203.0.113.7"], None),
        ] {
            let found = client("forwarded", lines);
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn too_many_hops_are_not_believed() {
        let long = ["203.0.113.7"; MOST_HOPS + 1].join(",");
        assert_eq!(client("x-forwarded-for", &[&long]), None);
    }

    #[test]
    fn a_subscriber_of_ipv6_is_a_network() {
        let counted = |text: &str| Client::new(text.parse().unwrap()).counted;
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), counted("2001:db8:1:2::"));
        assert_ne!(counted("2001:db8:1:2::1"), counted("2001:db8:1:3::1"));
        assert_eq!(&*counted("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
