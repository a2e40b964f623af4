//! Who is at the other end of a connection, and whom a proxy speaks for.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use axum::http::HeaderMap;

/// The other end of a connection, in a request's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

/// Proxies whose word on whom they speak for is believed: addresses, or networks as `10.0.0.0/8`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Proxies(Vec<Network>);

/// A network of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Network {
    address: u128,
    mask: u128,
}

/// The text is no list of networks.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is no address of a network")]
pub struct BadNetwork(String);

impl FromStr for Proxies {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| network(part).ok_or_else(|| BadNetwork(part.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (all, behind) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let bits = bits.unwrap_or(all);
    if bits > all {
        return None;
    }
    let kept = bits + behind;
    let mask = if kept == 0 { 0 } else { u128::MAX << (128 - kept) };
    Some(Network { address: number(address) & mask, mask })
}

fn number(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped().to_bits(),
        IpAddr::V6(six) => six.to_bits(),
    }
}

impl Proxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| number(address) & network.mask == network.address)
    }

    /// What tells a client from others: the address from which it comes, as far as it can be believed; the first half of an
    /// IPv6 address, for one customer has all of the other half. Nothing for this machine itself: that is a proxy nobody
    /// has named, or somebody who needs no limits.
    pub fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<String> {
        let mut client = peer?.0;
        let said: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in said.iter().rev() {
            if !self.trusts(client) {
                break;
            }
            let Ok(before) = hop.trim().parse() else { break };
            client = before;
        }
        match client.to_canonical() {
            address if address.is_loopback() => None,
            IpAddr::V4(four) => Some(four.to_string()),
            IpAddr::V6(six) => Some(Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &str, peer: &str, said: &[&str]) -> Option<String> {
        let proxies: Proxies = proxies.parse().unwrap();
        let mut headers = HeaderMap::new();
        for said in said {
            headers.append("x-forwarded-for", said.parse().unwrap());
        }
        proxies.client(Some(Peer(peer.parse().unwrap())), &headers)
    }

    #[test]
    fn only_proxies_that_are_named_are_believed() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(client("", "203.0.113.9", &["198.51.100.1"]), some("203.0.113.9"));
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["6.6.6.6, 198.51.100.1"]), some("198.51.100.1"));
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["198.51.100.1", "10.9.9.9"]), some("198.51.100.1"));
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", &["garbage"]), some("10.1.2.3"));
        assert_eq!(client("::1,127.0.0.1", "127.0.0.1", &["198.51.100.1"]), some("198.51.100.1"));
        assert_eq!(client("", "127.0.0.1", &["198.51.100.1"]), None);
        assert_eq!(client("", "::ffff:203.0.113.9", &[]), some("203.0.113.9"));
        assert_eq!(client("", "2001:db8:1:2:3:4:5:6", &[]), some("2001:db8:1:2::"));
    }

    #[test]
    fn networks_are_addresses_with_at_most_all_bits() {
        for good in ["", "10.0.0.0/8", "0.0.0.0/0, ::/0", "192.0.2.1,2001:db8::/32"] {
            assert!(good.parse::<Proxies>().is_ok(), "{good}");
        }
        for bad in ["10.0.0.0/33", "proxy.example.com", "10.0.0.0/x", "::/129"] {
            assert!(bad.parse::<Proxies>().is_err(), "{bad}");
        }
    }
}
