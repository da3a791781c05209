//! Webhooks of three nodes: each event is told at least once, by any node, under one id, though a node is killed while it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use serde_json::Value;
use sprag_rig::Postgres;

use crate::SPRAG;
use crate::cluster::{Cluster, NODES};
use crate::people::login;
use crate::server::{PASSWORD, await_some};
use crate::wire::{Connection, Request};

/// How often somebody logs in at each node, before the kill and after it.
const LOGINS: usize = 8;

/// How many times an event is waited for as long as a test waits: what was being told at the kill is due again after a minute.
const PATIENCES: usize = 3;

const SECRET: &[u8] = b"0123456789abcdef01234567";

/// Another system: it verifies what it is told.
struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// Each session whose log-in was told, with the ids under which it was.
type Told = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
struct State {
    /// Whether it answers nobody.
    is_silent: bool,
    /// Those that wait for an answer that never comes.
    waiting: Vec<TcpStream>,
    /// What it heard and did not answer, and what it took.
    heard: Told,
    taken: Told,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(State::default())));
        let of_thread = Arc::clone(&state);
        // It ends with the process, as what it holds does.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&of_thread);
                thread::spawn(move || State::takes(&state, stream));
            }
        });
        Self { address, state }
    }

    fn told(&self) -> (Told, Told) {
        let state = self.state.lock().unwrap();
        (state.heard.clone(), state.taken.clone())
    }

    fn is_silent(&self, is_silent: bool) {
        let mut state = self.state.lock().unwrap();
        state.is_silent = is_silent;
        state.waiting.clear();
    }
}

impl State {
    /// Takes one request, if it can verify it.
    fn takes(state: &Mutex<Self>, mut stream: TcpStream) {
        let Some((headers, body)) = read(&stream) else { return };
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        let signed = [format!("{id}.{at}.").as_bytes(), &body].concat();
        let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &signed);
        assert_eq!(header("webhook-signature"), format!("v1,{}", BASE64.encode(expected.as_ref())));
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["type"], "session_opened", "nothing else is wanted");
        let session = event["data"]["session_id"].as_str().unwrap().to_owned();
        let mut state = state.lock().unwrap();
        if state.is_silent {
            state.heard.entry(session).or_default().insert(id);
            state.waiting.push(stream);
            return;
        }
        if stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").is_ok() {
            state.taken.entry(session).or_default().insert(id);
        }
    }
}

fn read(stream: &TcpStream) -> Option<(BTreeMap<String, String>, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    for line in reader.by_ref().lines().skip(1).map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some((headers, body))
}

/// Logs in at each of these nodes in turn, and gives the sessions. Whoever finds a node busy comes again; what was not answered may have
/// opened a session all the same.
fn log_in(nodes: &[SocketAddr]) -> Vec<String> {
    let at = |node: &SocketAddr| {
        let answered = await_some(|| {
            let answer = Connection::open(*node).unwrap().ask(&login("user-0", PASSWORD)).unwrap();
            assert!([200, 503].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
            (answer.status == 200).then_some(answer)
        });
        answered.expect("a node that is busy no more").member("session_id")
    };
    (0..LOGINS).flat_map(|_| nodes.iter().map(at).collect::<Vec<_>>()).collect()
}

/// How many webhooks a node has sent.
fn sent_by(node: SocketAddr) -> u64 {
    let answer = Connection::open(node).unwrap().ask(&Request::get("/metrics")).unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    let sent = text.lines().find_map(|line| line.strip_prefix("sprag_outbox_sent_total{kind=\"webhook\"} "));
    sent.map_or(0, |sent| sent.parse().unwrap())
}

#[test]
fn each_event_is_told_at_least_once_under_one_id_though_a_node_is_killed_while_it_tells() {
    let (receiver, folder) = (Receiver::start(), tempfile::tempdir().unwrap());
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("whsec_{}", BASE64.encode(SECRET))).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let settings = folder.path().join("sprag.toml");
    let text = format!(
        "webhooks = \"http://{}/in session_opened\"\nwebhook_secret_file = {secret:?}\nhook_networks = \"127.0.0.1\"\n",
        receiver.address
    );
    fs::write(&settings, text).unwrap();
    let flags = ["--config", settings.to_str().unwrap()];
    let (cluster, servers) = Cluster::start(SPRAG, Postgres::shared().fresh_database(), &flags);
    cluster.create_users(1);
    let nodes = cluster.addresses();

    // Every node tells, and hears no answer; then one is gone.
    receiver.is_silent(true);
    let mut sessions = log_in(&nodes);
    let is_in = |told: &Told, sessions: &[String]| sessions.iter().all(|session| told.contains_key(session));
    let before = sessions.clone();
    await_some(|| is_in(&receiver.told().0, &before).then_some(())).expect("each is told");
    let [killed, others @ ..] = servers;
    killed.kill();
    receiver.is_silent(false);
    sessions.extend(log_in(&nodes[1..]));

    let is_whole = || is_in(&receiver.told().1, &sessions).then_some(());
    let all = (0..PATIENCES).find_map(|_| await_some(is_whole));
    let (heard, taken) = receiver.told();
    assert!(all.is_some(), "{} of {} events have been taken", taken.len(), sessions.len());
    let mut ids = BTreeSet::new();
    for (session, under) in &taken {
        let mut under = under.clone();
        under.extend(heard.get(session).into_iter().flatten().cloned());
        assert_eq!(under.len(), 1, "{session} was told under one id, however often and by whom: {under:?}");
        ids.extend(under);
    }
    assert_eq!(ids.len(), taken.len(), "each under an id of its own");
    assert!(
        is_in(&heard, &before) && before.len() == NODES * LOGINS,
        "what the dead node was telling, another told"
    );
    for node in &nodes[1..] {
        assert!(sent_by(*node) > 0, "any node tells");
    }
    for server in others {
        server.stop();
    }
    cluster.verify_journal();
}
