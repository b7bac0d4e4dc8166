//! Free ports.

use std::{
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
};

/// Below the ports that systems give to outgoing connections. One of those could be taken while its
/// server is stopped, and a client that dials it could even be connected to itself.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A loopback port that was free a moment ago. Somebody else may still be faster.
pub(crate) fn free() -> u16 {
    let width = u64::from(RANGE.end - RANGE.start);
    loop {
        let offset = u16::try_from(RandomState::new().hash_one(()) % width)
            .expect("the range is narrower than a u16");
        let port = RANGE.start + offset;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
