//! `sprag-bench load`: refreshes many sessions over HTTP and says how many rotations a second the server commits.
//!
//! What is counted is work done: a refresh is a rotation whose answer, and so its commit, has come back. The
//! generator shares the machine with the server, so it is made to be light: one thread, requests written from
//! prepared pieces, no JSON parsed.

use std::io::{BufRead as _, Read as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::builder::RangedU64ValueParser;
use sprag_server::config::Config;
use sprag_server::profile::{Profile, parse_duration};
use sprag_server::run::database;
use sprag_server::run::node::Node;
use url::{Host, Url};

use crate::output::{say, say_json, tell};

pub(crate) mod driver;
pub(crate) mod fill;
pub(crate) mod load_profile;
pub(crate) mod memory;
mod progress;
pub(crate) mod report;
mod schedule;
pub(crate) mod sessions;
pub(crate) mod tally;
pub(crate) mod wire;

use driver::{Endpoint, LiveSession, Round};
use load_profile::LoadProfile;
use memory::Memory;
use progress::Progress;
use report::{Compared, Line, Report};

/// How many rounds of each endpoint a comparison has; the median of three ignores one disturbed round.
const COMPARED_ROUNDS: usize = 3;

/// The most that is read of a password from standard input.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// What `sprag-bench load` is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server to load [default: the configured listening address]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,

    /// Connections that are open at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    connections: usize,

    /// Live sessions that are refreshed in turn [default: one for each connection]
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    chains: Option<usize>,

    /// How long each round is measured
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = parse_duration)]
    duration: Duration,

    /// How long each round runs before it is measured
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = parse_duration)]
    warmup: Duration,

    /// Send this many requests a second at fixed moments and count latency from those moments; without it each
    /// connection asks again as soon as it is answered
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    rate: Option<f64>,

    /// What to ask of the server
    #[arg(long, value_enum, default_value_t = Endpoint::Refresh)]
    endpoint: Endpoint,

    /// Alternate rounds of healthz and refresh, three of each, and relate their medians
    #[arg(long, conflicts_with = "endpoint")]
    compare: bool,

    /// Log in over HTTP as this user to get the sessions; slow, works with any server
    #[arg(long, value_name = "NAME", requires = "password_stdin", conflicts_with = "in_store")]
    username: Option<String>,

    /// Read that user's password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,

    /// Make the sessions straight in the configured store, beside the running server; fast
    #[arg(long)]
    in_store: bool,

    /// First fill the store up to this many sessions in total
    #[arg(long, value_name = "N", requires = "in_store", value_parser = RangedU64ValueParser::<u64>::new().range(1..=100_000_000))]
    stored: Option<u64>,

    /// Report the memory of this process, the server's, at the end
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Threads that generate load; one is enough for most servers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=64))]
    client_threads: usize,

    /// Send a retry id (Idempotency-Key) with each refresh, as a careful client does: a request that broke is then
    /// answered when it comes again, however late
    #[arg(long)]
    retry_ids: bool,

    /// Load a server that is not on this machine
    #[arg(long)]
    i_may_load_this_host: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Loads a server and reports. Fails if any request was refused or broke.
///
/// # Errors
/// The server cannot be reached or may not be loaded, or there are no sessions to refresh.
pub(crate) fn run(args: Args, config: Config, profiles: Vec<Profile>) -> anyhow::Result<ExitCode> {
    let url = args.url.clone().map_or_else(|| listening_url(config.listen.address), Ok)?;
    let profile = LoadProfile::pick(profiles)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("could not start a runtime for the load generator")?;
    let address = runtime.block_on(resolve(&url))?;
    allow(address, args.i_may_load_this_host)?;
    runtime.block_on(greet(address))?;
    let sources = Sources { args: &args, profile: &profile, address };
    let (mut live, stored) = runtime.block_on(sources.sessions(config))?;
    let (chains, connections) = (live.len(), args.connections_for(live.len()));
    let round = |endpoint| Round {
        endpoint,
        address,
        host: host_of(&url, address),
        refresh_path: profile.refresh_path.clone(),
        token_field: profile.field(),
        connections,
        threads: args.client_threads.min(connections),
        warmup: args.warmup,
        duration: args.duration,
        requests: None,
        rate: args.rate,
        sends_retry_ids: args.retry_ids,
    };
    let (mut rounds, mut first_failure) = (Vec::new(), None);
    let endpoints = args.endpoints();
    let mut progress = Progress::new("rounds", endpoints.len() as u64);
    for endpoint in endpoints {
        progress.at(rounds.len() as u64);
        let (tally, still_live) = driver::drive(&round(endpoint), live)?;
        live = still_live;
        rounds.push(Line::new(endpoint, &tally, args.duration));
        first_failure = first_failure.or(tally.example);
        if args.needs_sessions() && live.is_empty() {
            break;
        }
    }
    drop(progress);
    let server_memory = args.pid.map(Memory::of).transpose()?;
    let left_behind = runtime.block_on(sessions::log_out(address, &profile, live));
    let report = Report {
        url: url.to_string(),
        connections,
        chains,
        stored,
        warmup_seconds: args.warmup.as_secs_f64(),
        duration_seconds: args.duration.as_secs_f64(),
        rate: args.rate,
        compared: Compared::of(&rounds).filter(|_| args.compare),
        rounds,
        server_memory,
        first_failure,
    };
    publish(&report, args.json, left_behind)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn publish(report: &Report, as_json: bool, left_behind: usize) -> anyhow::Result<()> {
    if as_json {
        say_json(report)?;
        for warning in report.warnings() {
            tell(format_args!("warning: {warning}"));
        }
    } else {
        say(report.text().trim_end())?;
    }
    if left_behind > 0 {
        tell(format_args!(
            "warning: {left_behind} sessions could not be logged out and stay until they expire"
        ));
    }
    Ok(())
}

impl Args {
    fn needs_sessions(&self) -> bool {
        self.compare || self.endpoint == Endpoint::Refresh
    }

    fn chains(&self) -> usize {
        self.chains.unwrap_or(self.connections)
    }

    /// A session is refreshed by one connection only, so more connections than sessions would have nothing to do.
    fn connections_for(&self, chains: usize) -> usize {
        if self.needs_sessions() { self.connections.min(chains).max(1) } else { self.connections }
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        if self.compare {
            [Endpoint::Healthz, Endpoint::Refresh].repeat(COMPARED_ROUNDS)
        } else {
            vec![self.endpoint]
        }
    }
}

/// Where the sessions come from.
struct Sources<'a> {
    args: &'a Args,
    profile: &'a LoadProfile,
    address: SocketAddr,
}

impl Sources<'_> {
    async fn sessions(&self, config: Config) -> anyhow::Result<(Vec<LiveSession>, Option<u64>)> {
        let args = self.args;
        match &args.username {
            _ if !args.needs_sessions() => Ok((Vec::new(), None)),
            Some(name) => Ok((self.by_log_in(name, config.sessions.per_account.get()).await?, None)),
            None if args.in_store => self.in_store(config).await,
            None => bail!(
                "a refresh needs sessions: --in-store makes them in the configured store, --username NAME \
                 --password-stdin logs in for them; --endpoint healthz needs none"
            ),
        }
    }

    async fn by_log_in(&self, name: &str, most: u32) -> anyhow::Result<Vec<LiveSession>> {
        let chains = self.args.chains();
        ensure!(
            chains <= most as usize,
            "one user has at most {most} sessions (--sessions-per-account), so {chains} cannot be kept live; \
             ask for fewer --chains, or make them with --in-store"
        );
        let user = sessions::User { name: name.to_owned(), password: password()? };
        sessions::log_in(self.address, self.profile, &user, chains).await
    }

    async fn in_store(&self, config: Config) -> anyhow::Result<(Vec<LiveSession>, Option<u64>)> {
        database::expect(&config)?;
        let node = Node::open(config, vec![self.profile.profile.clone()]).await?;
        let engine = Arc::clone(&node.engine);
        let filled = fill::fill(&engine, self.profile, self.args.chains() as u64, self.args.stored).await?;
        Ok((filled.live, filled.stored))
    }
}

/// Other people's servers are not loaded by mistake.
fn allow(address: SocketAddr, is_allowed: bool) -> anyhow::Result<()> {
    ensure!(
        is_allowed || address.ip().to_canonical().is_loopback(),
        "{address} is not this machine, and load can bring a server down; if it is yours to load, add \
         --i-may-load-this-host"
    );
    Ok(())
}

/// The server must be there before its sessions are made, and fail nothing because it was not.
async fn greet(address: SocketAddr) -> anyhow::Result<()> {
    let asked = async {
        let request = wire::get_request(&address.to_string(), driver::HEALTHZ);
        Ok(wire::Wire::open(address).await?.exchange(&request).await?.status)
    };
    let answered: std::io::Result<u16> = wire::in_time(asked).await;
    let status =
        answered.with_context(|| format!("{address} does not answer; see that the server runs there"))?;
    ensure!(status == 200, "{address} answered {status} to {}; is it a Sprag server?", driver::HEALTHZ);
    Ok(())
}

/// The address of an `http` URL, as this machine resolves it.
async fn resolve(url: &Url) -> anyhow::Result<SocketAddr> {
    ensure!(url.scheme() == "http", "cannot load {url}: only plain HTTP is spoken here; give an http:// URL");
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        Some(Host::Ipv4(ip)) => Ok(SocketAddr::from((ip, port))),
        Some(Host::Ipv6(ip)) => Ok(SocketAddr::from((ip, port))),
        Some(Host::Domain(name)) => {
            let found = tokio::net::lookup_host((name, port)).await.ok().and_then(|mut all| all.next());
            found.with_context(|| format!("cannot load {url}: its host is not known here; check the name"))
        }
        None => bail!("cannot load {url}: it names no host"),
    }
}

/// The address the server listens on, as this machine reaches it.
fn listening_url(listen: SocketAddr) -> anyhow::Result<Url> {
    ensure!(listen.port() != 0, "the configured port is 0, which means any; say which with --url");
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        ip if ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        _ => Ipv6Addr::LOCALHOST.into(),
    };
    let url = format!("http://{}", SocketAddr::new(ip, listen.port()));
    Url::parse(&url).with_context(|| format!("{url} is not a URL"))
}

fn host_of(url: &Url, address: SocketAddr) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => address.to_string(),
    }
}

/// The first line of standard input.
fn password() -> anyhow::Result<String> {
    let mut line = String::new();
    let mut input = std::io::stdin().lock().take(MAX_PASSWORD_BYTES);
    input.read_line(&mut line).context("could not read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    ensure!(
        !password.is_empty(),
        "no password came on standard input; write printf %s PASSWORD | sprag-bench load …"
    );
    Ok(password.to_owned())
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 10_000_000.0 => Ok(rate),
        _ => Err("give a number above 0, such as 5000 or 0.5".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use sprag::engine::NewUser;
    use sprag_server::config::Flags;
    use sprag_server::edge::serve::serve;
    use sprag_server::run::node::load_profiles;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_this_machine_is_loaded_unless_somebody_says_so() {
        for ours in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(allow(ours.parse().unwrap(), false).is_ok(), "{ours}");
        }
        for other in
            ["192.0.2.1:80", "0.0.0.0:80", "[2001:db8::1]:80", "10.0.0.1:80", "[::ffff:192.0.2.1]:80"]
        {
            let refused = allow(other.parse().unwrap(), false).unwrap_err().to_string();
            assert!(refused.contains("--i-may-load-this-host"), "{refused}");
            assert!(allow(other.parse().unwrap(), true).is_ok());
        }
    }

    #[test]
    fn a_server_on_every_network_is_reached_through_loopback() {
        let url = |listen: &str| listening_url(listen.parse().unwrap()).unwrap().to_string();
        assert_eq!(url("0.0.0.0:8080"), "http://127.0.0.1:8080/");
        assert_eq!(url("[::]:8080"), "http://[::1]:8080/");
        assert_eq!(url("127.0.0.2:81"), "http://127.0.0.2:81/");
        assert!(listening_url("127.0.0.1:0".parse().unwrap()).is_err());
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!(positive("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "fast", "1e99"] {
            assert!(positive(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn sessions_are_opened_refreshed_and_ended_over_http() {
        let told = beside_own_server(&[], async |node| {
            let user = NewUser {
                username: Some("ann"),
                password: Some("correct horse battery"),
                ..NewUser::default()
            };
            let operator = sprag::engine::Requester::nobody();
            let ann = node.engine.accounts().create(user, &operator).await.unwrap();
            let (address, profile) =
                (node.config.listen.address, LoadProfile::pick(node.profiles.clone()).unwrap());
            let user = sessions::User { name: "ann".into(), password: "correct horse battery".into() };
            let live = sessions::log_in(address, &profile, &user, 5).await.unwrap();
            let round = Round {
                endpoint: Endpoint::Refresh,
                address,
                host: address.to_string(),
                refresh_path: profile.refresh_path.clone(),
                token_field: profile.field(),
                connections: 2,
                threads: 2,
                warmup: Duration::ZERO,
                duration: Duration::from_millis(200),
                requests: None,
                rate: Some(200.0),
                sends_retry_ids: true,
            };
            let driven = tokio::task::spawn_blocking(move || driver::drive(&round, live)).await.unwrap();
            let (tally, live) = driven.unwrap();
            assert_eq!(live.len(), 5);
            assert_eq!(node.engine.sessions().of(ann.id).await.unwrap().len(), 5);
            assert_eq!(sessions::log_out(address, &profile, live).await, 0);
            assert_eq!(node.engine.sessions().of(ann.id).await.unwrap(), []);
            Line::new(Endpoint::Refresh, &tally, Duration::from_millis(200))
        })
        .await;
        let told = serde_json::to_value(told).unwrap();
        assert_eq!((&told["broken"], &told["refused"]), (&0.into(), &serde_json::json!({})));
        assert!(told["rotated"].as_u64().unwrap() > 5, "{told}");
        assert_eq!(told["rotated"], told["requests"]);
    }

    #[tokio::test]
    async fn a_store_on_postgresql_is_filled_beside_its_server() {
        let database = sprag_rig::Postgres::shared().fresh_database();
        let url = database.url();
        let code = beside_own_server(&[("database-url", &url)], async |node| {
            let args = ["sprag-bench", "load", "--in-store", "--chains", "4", "--duration", "1s", "--json"];
            let crate::Command::Load(args) = crate::Cli::try_parse_from(args).unwrap().command else {
                panic!("load is load");
            };
            let (config, profiles) = (node.config.clone(), node.profiles.clone());
            tokio::task::spawn_blocking(move || run(args, config, profiles)).await.unwrap().unwrap()
        })
        .await;
        assert_eq!(code, ExitCode::SUCCESS);
    }

    #[tokio::test]
    async fn a_number_of_requests_ends_a_round() {
        let requests = beside_own_server(&[], async |node| {
            let address = node.config.listen.address;
            let round = Round {
                endpoint: Endpoint::Healthz,
                address,
                host: address.to_string(),
                refresh_path: String::new(),
                token_field: wire::Field::named(""),
                connections: 3,
                threads: 1,
                warmup: Duration::ZERO,
                duration: Duration::from_secs(3600),
                requests: Some(12),
                rate: None,
                sends_retry_ids: false,
            };
            let driven = tokio::task::spawn_blocking(move || driver::drive(&round, Vec::new()));
            driven.await.unwrap().unwrap().0.requests
        });
        assert_eq!(requests.await, 12);
    }

    #[tokio::test]
    async fn only_http_urls_are_loaded() {
        let refused = resolve(&Url::parse("https://127.0.0.1:1").unwrap()).await.unwrap_err();
        assert!(refused.to_string().contains("give an http:// URL"), "{refused}");
    }

    /// Starts a server in this process, on a free port of 127.0.0.1, does `act` beside it and stops it.
    async fn beside_own_server<T>(settings: &[(&'static str, &str)], act: impl AsyncFnOnce(&Node) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let mut flags = Flags::from([
            ("listen", "127.0.0.1:0".to_owned()),
            ("data-dir", folder.path().join("data").display().to_string()),
            ("reuse-interval", "0s".to_owned()),
            ("rate-limits", "off".to_owned()),
            ("shutdown-grace", "1s".to_owned()),
        ]);
        flags.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut config = Config::resolve(flags, [], folder.path()).unwrap();
        let profiles = load_profiles(&config.profiles, Some(&config)).unwrap();
        let listener = TcpListener::bind(config.listen.address).await.unwrap();
        config.bound_to(listener.local_addr().unwrap());
        let node = Node::make(config, profiles).await.unwrap();
        let router = node.router(&node.app());
        let bounds = node.bounds();
        let (stop, stopped) = tokio::sync::oneshot::channel::<Duration>();
        let stopped = async { stopped.await.unwrap_or_default() };
        let server = tokio::spawn(serve(listener, router, Arc::clone(&node.metrics), bounds, stopped));
        let outcome = act(&node).await;
        drop(stop);
        server.await.unwrap();
        outcome
    }
}
