//! Where a request came from. Invariant: what a sender says of itself counts only as far as the
//! configured proxies vouch for it.

use std::net::{IpAddr, SocketAddr};

/// The socket at the other end, beside each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The client's address: with `proxies` before us the one that the outermost of them saw, which is
/// so many from the right of what `X-Forwarded-For` lists; else the socket's.
pub fn client<'a>(
    peer: Option<Peer>,
    forwarded: impl Iterator<Item = &'a str>,
    proxies: u32,
) -> Option<IpAddr> {
    let socket = peer.map(|peer| peer.0.ip().to_canonical());
    let Some(before) = usize::try_from(proxies).unwrap_or_default().checked_sub(1) else {
        return socket;
    };
    let listed: Vec<&str> = forwarded.flat_map(|line| line.split(',')).map(str::trim).collect();
    let named = listed.iter().rev().nth(before).and_then(|text| address(text));
    named.or(socket)
}

/// `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let alone = bare.parse().ok();
    alone.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|found| found.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(listed: &[&str], proxies: u32) -> String {
        let peer = Some(Peer("10.0.0.1:5000".parse().expect("an address")));
        let found = client(peer, listed.iter().copied(), proxies);
        found.expect("an address").to_string()
    }

    #[test]
    fn only_what_proxies_vouch_for_counts() {
        assert_eq!(found(&["1.1.1.1"], 0), "10.0.0.1");
        assert_eq!(found(&["6.6.6.6, 1.1.1.1"], 1), "1.1.1.1");
        assert_eq!(found(&["6.6.6.6", "1.1.1.1, 2.2.2.2"], 2), "1.1.1.1");
        assert_eq!(found(&["1.1.1.1:99"], 1), "1.1.1.1");
        assert_eq!(found(&["[2001:db8::1]:99"], 1), "2001:db8::1");
        assert_eq!(found(&["2001:db8::1"], 1), "2001:db8::1");
        // Nonsense and too short a list: the request did not come through all of them.
        assert_eq!(found(&["unknown"], 1), "10.0.0.1");
        assert_eq!(found(&["1.1.1.1"], 2), "10.0.0.1");
        assert_eq!(found(&[], 1), "10.0.0.1");
    }
}
