//! Where a request comes from.

use crate::gateway::Gateway;
use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use std::net::{IpAddr, Ipv6Addr};

/// The address that a client is counted by: its own, or what a proxy of ours says.
pub(crate) fn client(request: &HttpRequest, gateway: &Gateway) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
    let told = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|address| address.trim().parse().ok())
        // The last one is what our own proxy saw; what stands before is what it was told.
        .last();
    let address = match told {
        Some(told) if gateway.proxies().contains(&peer) => told,
        Some(_) | None => peer,
    };
    network(address)
}

/// Who has one address of an IPv6 network has all of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Whether the request came from this very machine without a proxy; only then may a cookie travel
/// without TLS.
pub(crate) fn is_plain_loopback(request: &HttpRequest) -> bool {
    let peer_is_here = request
        .peer_addr()
        .is_some_and(|peer| peer.ip().is_loopback());
    let asked_here = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .is_some_and(names_loopback);
    let forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-proto"]
        .iter()
        .any(|name| request.headers().contains_key(*name));
    peer_is_here && asked_here && !forwarded
}

fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_very_machine_are_loopback() {
        for here in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.0.0.2",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(names_loopback(here), "{here}");
        }
        for there in [
            "",
            "example.org",
            "localhost.example.org:80",
            "10.0.0.1:80",
            "[::2]:80",
            ":80",
        ] {
            assert!(!names_loopback(there), "{there}");
        }
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let network = |text: &str| network(text.parse().expect("an address"));
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:2:ffff::"));
        assert_ne!(network("2001:db8:1:2::3"), network("2001:db8:1:3::3"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
