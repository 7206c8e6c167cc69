//! Who is at the other end: the client's address, seen through trusted proxies only.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;

/// The address of the connection, put into every request's extensions by the accept loop.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Its connection is one too many of its address, in the extensions of its requests.
#[derive(Debug, Clone, Copy)]
pub struct Crowded;

/// An IPv4 address, or the /64 of an IPv6 one, which one client has as a whole (RFC 6177).
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// The client's address: the connection's, or what a trusted proxy says (the last hop that is not trusted itself).
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(&peer) {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
    // From the nearest hop on; what stands before one that cannot be read was not written by anyone we trust.
    let readable = hops.into_iter().rev().map_while(|hop| {
        hop.parse::<IpAddr>().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|hop| hop.ip()))
    });
    readable.map(|hop| hop.to_canonical()).find(|hop| !trusted.contains(hop)).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.1".parse().unwrap());
        assert_eq!(client_ip(proxy, &headers, &[proxy]).to_string(), "1.2.3.4");
        assert_eq!(client_ip(proxy, &headers, &[]), proxy);
        headers.insert("x-forwarded-for", "6.6.6.6, unknown, 10.0.0.1".parse().unwrap());
        assert_eq!(client_ip(proxy, &headers, &[proxy]), proxy);
        headers.insert("x-forwarded-for", "6.6.6.6, 1.2.3.4:5678".parse().unwrap());
        assert_eq!(client_ip(proxy, &headers, &[proxy]).to_string(), "1.2.3.4");
        assert_eq!(client_ip("::ffff:7.7.7.7".parse().unwrap(), &headers, &[proxy]).to_string(), "7.7.7.7");
    }
}
