//! Whom a connection's requests come from. Most are all of one client, so what follows from what it says of itself is kept from
//! one request to the next.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sprag::prefix::Prefix;
use sprag::session::ShortHash;
use sprag::text;
use sprag::token::hash_instance;

/// How much of a `User-Agent` is remembered, in bytes.
const MAX_USER_AGENT_BYTES: usize = 256;

/// A client as far as its requests show it.
#[derive(Debug)]
pub(crate) struct Client {
    address: Option<IpAddr>,
    /// The address as people write it.
    pub(crate) ip: Option<String>,
    /// What it calls itself, as it may be shown.
    pub(crate) user_agent: Option<String>,
    guess: OnceLock<ShortHash>,
}

/// The client that asked last.
#[derive(Debug, Default)]
pub(crate) struct LastClient(Mutex<Option<Arc<Client>>>);

impl LastClient {
    /// The client that asks now, by its `User-Agent` and its address.
    pub(crate) fn next(&self, user_agent: Option<&[u8]>, address: Option<IpAddr>) -> Arc<Client> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose text had to be changed to be shown is read anew each time.
        let is_it = |client: &&Arc<Client>| {
            client.address == address && client.user_agent.as_deref().map(str::as_bytes) == user_agent
        };
        if let Some(client) = last.as_ref().filter(is_it) {
            return Arc::clone(client);
        }
        let client = Arc::new(Client::new(user_agent, address));
        *last = Some(Arc::clone(&client));
        client
    }
}

impl Client {
    fn new(user_agent: Option<&[u8]>, address: Option<IpAddr>) -> Self {
        let user_agent = user_agent.map(String::from_utf8_lossy);
        let user_agent = user_agent.map(|agent| text::label(&agent, MAX_USER_AGENT_BYTES));
        Self { address, ip: address.map(|ip| ip.to_string()), user_agent, guess: OnceLock::new() }
    }

    /// The instance that it is taken for where it names none: what its requests have in common.
    pub(crate) fn guess(&self) -> ShortHash {
        *self.guess.get_or_init(|| {
            let user_agent = self.user_agent.as_deref().unwrap_or_default().as_bytes();
            let prefix = self.address.map(Prefix::from).unwrap_or_default();
            let mut guess = Vec::with_capacity(user_agent.len() + 32);
            guess.extend_from_slice(b"guess\n");
            guess.extend(user_agent.iter().filter(|byte| !byte.is_ascii_digit() && **byte != b'.'));
            guess.push(b'\n');
            guess.extend_from_slice(prefix.to_string().as_bytes());
            hash_instance(guess)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_of_a_connection_is_of_whoever_it_says_it_is_of() {
        let last = LastClient::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "198.51.100.1".parse().unwrap());
        let agents: [Option<&[u8]>; 5] =
            [None, Some(b"curl/8"), Some(b"Firefox"), Some(b"c\x1burl"), Some(b"\xe9")];
        for _ in 0..2 {
            for (agent, address) in agents.into_iter().flat_map(|agent| [(agent, one), (agent, other)]) {
                for _ in 0..2 {
                    let (client, anew) = (last.next(agent, Some(address)), Client::new(agent, Some(address)));
                    assert_eq!(client.ip, Some(address.to_string()));
                    assert_eq!((&client.user_agent, client.guess()), (&anew.user_agent, anew.guess()));
                }
            }
        }
        assert!(Arc::ptr_eq(&last.next(None, None), &last.next(None, None)), "it is kept");
    }
}
