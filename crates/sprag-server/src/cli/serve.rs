//! `sprag serve`: bind, open, serve, and leave in order.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::output::program;
use crate::config::{Config, Database, Flags, Sources};
use crate::edge::serve::{Bounds, listen_within, serve};
use crate::places::Places;
use crate::profile::{Input, Profile, Registration, Route, Whose, named_off};
use crate::run::accepted::accept_older;
use crate::run::node::{Node, resolve};
use crate::run::reload::Given;
use crate::run::ring_file::RingSource;
use crate::run::ring_watch::RingWatch;
use crate::run::{database, exposed_files, jobs, logs, numbering, open_files, passkeys};
use sprag::access::Algorithm;

/// How long requests are still accepted after SIGTERM while `/readyz` says "not ready", so that a load balancer can
/// turn away first. Where nobody asks anything, it is over at once.
const NOTICE: Duration = Duration::from_secs(1);

/// How long the address may be taken at a start: a server that has just been told to stop gives it back within its notice.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// Go on, this once, with a SQLite database that has gone back behind what was last seen of it
    #[arg(long)]
    accept_older_store: bool,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// The address is taken, or the store, the keys or a profile cannot be used.
pub(super) fn run(args: &Args, flags: Flags) -> anyhow::Result<ExitCode> {
    let (mut config, profiles) = resolve(&Sources::from_process(flags.clone())?)?;
    // Dropped last, when nothing runs any more that could be traced.
    let (filter, _traces) = logs::start_traced(&config)?;
    tracing::info!("store: {}", database::named(&config));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.listen.threads.get())
        .thread_name("sprag")
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    runtime.block_on(async move {
        // Before anything that takes time: by itself it would end the process.
        let told_to_reload = signal(SignalKind::hangup()).context("could not listen for signals")?;
        let mut signals = Box::pin(stop_signals().context("could not listen for signals")?);
        let listeners = tokio::select! {
            listeners = Listeners::bound(&config) => listeners?,
            _ = &mut signals => return Ok(ExitCode::SUCCESS),
        };
        let given = Given { flags, config: config.clone(), profiles: profiles.clone(), filter };
        listeners.note_addresses(&mut config)?;
        if args.accept_older_store {
            match accept_older(&config).await? {
                true => numbering::warn_of_lost_numbers(&profiles),
                false => tracing::warn!(
                    "--accept-older-store is set and there is nothing to accept; start without it, or what is lost the next time is \
                     accepted without a question"
                ),
            }
        }
        let node = tokio::select! {
            node = Node::make(config, profiles) => node?,
            // Nothing has begun that would have to end in order.
            _ = &mut signals => return Ok(ExitCode::SUCCESS),
        };
        warn_of_what_is_allowed(&node);
        let ring = RingWatch::of(&node);
        let _reloading = reload_when_told(told_to_reload, given, ring.clone(), Arc::clone(&node.places));
        let jobs = jobs::start_with(&node, ring);
        serve_node(&node, jobs, listeners, signals).await
    })
}

/// Where it is listened.
struct Listeners {
    public: TcpListener,
    /// The administrators' own, if they have one.
    administrators: Option<TcpListener>,
}

impl Listeners {
    async fn bound(config: &Config) -> anyhow::Result<Self> {
        let public = listener(config.listen.address, "listen").await?;
        let administrators = match config.listen.admin_address {
            Some(address) => Some(listener(address, "admin-listen").await?),
            None => None,
        };
        Ok(Self { public, administrators })
    }

    /// Which ports were free, where any was asked for.
    fn note_addresses(&self, config: &mut Config) -> anyhow::Result<()> {
        let of = |listener: &TcpListener| {
            listener.local_addr().context("could not learn the address that was bound")
        };
        config.bound_to(of(&self.public)?);
        config.listen.admin_address = self.administrators.as_ref().map(of).transpose()?;
        Ok(())
    }
}

async fn listener(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    listen_within(address, ADDRESS_PATIENCE).await.with_context(|| {
        format!("could not listen on {address}: is another server running there? choose another address with --{setting}")
    })
}

/// What is allowed and yet worth a thought at every start.
fn warn_of_what_is_allowed(node: &Node) {
    exposed_files::warn(&node.config);
    if node.config.tokens.signing_algorithm == Algorithm::Hs256 {
        tracing::warn!(
            "access tokens are signed with HS256: every API that verifies them can also mint them; use ES256 or EdDSA \
             as soon as your APIs can"
        );
    }
    let is_https = node.config.listen.public_url.scheme() == "https";
    for profile in node.profiles.iter().filter(|_| is_https) {
        if profile.wire.refresh.cookie.as_ref().is_some_and(|cookie| !cookie.secure) {
            tracing::warn!(
                profile = profile.name,
                "this profile's cookie is not Secure although the public URL is https; set secure = true in the profile"
            );
        }
    }
    if let Some(told) = open_files::too_few_for(node.config.listen.max_connections.get()) {
        tracing::warn!("{told}");
    }
    if let Database::Postgres(server) = &node.config.store.database
        && let Some(mode) = server.may_talk_in_clear()
    {
        tracing::warn!(
            "sslmode={mode} goes on without TLS where the database's server has none, or somebody in between says so: \
             password hashes and the database's password may cross the network in clear; write \
             sslmode=verify-full&sslrootcert=FILE in the database's URL, or sslmode=disable where nobody can listen"
        );
    }
    if let Some(told) = node.config.left_out() {
        tracing::warn!("{told}");
    }
    passkeys::tell_if_none(&node.config);
    warn_of_missing_secrets(node);
    warn_of_open_doors(&node.profiles);
}

/// Without the secret of the system whose place a profile takes, tokens are signed with a key of ours.
fn warn_of_missing_secrets(node: &Node) {
    let config = &node.config;
    // Whoever chose another algorithm has thought of the APIs.
    let is_chosen =
        config.tokens.signing_algorithm != Algorithm::Hs256 && !config.is_default("signing-algorithm");
    if config.tokens.hs256_secret.is_some() || is_chosen {
        return;
    }
    for profile in &node.profiles {
        let mapped = profile.environment.iter().find(|(_, setting)| setting == "hs256-secret");
        if let Some((variable, _)) = mapped {
            tracing::warn!(
                profile = profile.name,
                "{variable} is not set, and APIs that verify access tokens with that secret would refuse every one of \
                 ours; set it to the secret that they have, or have them verify with the public keys at \
                 /.well-known/jwks.json"
            );
        }
    }
}

/// Accounts are not of a profile: who may register at one may log in at all.
fn warn_of_open_doors(profiles: &[Profile]) {
    let is_open = |profile: &&Profile| {
        profile.client.registration == Registration::Open
            && profile.wire.routes.iter().any(|route| route.action.account() == Whose::New)
    };
    let open = profiles.iter().find(is_open);
    let guarded = profiles.iter().find(|profile| profile.client.registration != Registration::Open);
    if let (Some(open), Some(guarded)) = (open, guarded) {
        tracing::warn!(
            "anybody may register at the profile {}, and accounts are shared between profiles: whoever does may also log in at \
             {}, where not everybody may register; serve them from two servers if that is not meant",
            open.name,
            guarded.name
        );
    }
}

async fn serve_node(
    node: &Node,
    jobs: JoinSet<()>,
    listeners: Listeners,
    signals: impl Future<Output = bool> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    let app = node.app();
    let served = node.served(&app);
    let own = listeners.administrators.map(|listener| (listener, node.administrators_router(&app)));
    let confirmations = confirm_clock_when_told(node).context("could not listen for signals")?;
    let grace = node.config.listen.shutdown_grace;
    let notice = NOTICE.min(grace / 2);
    let bounds = Bounds { grace: grace - notice, ..node.bounds() };
    let (stop, stopped) = watch::channel(None);
    // Nobody may be reading; that is no reason not to serve.
    let _ = std::io::stdout().write_all(welcome(node, node.config.listen.address).as_bytes());
    tokio::spawn(async move {
        let is_patient = signals.await;
        app.begin_shutdown();
        tracing::info!("stopping: no longer ready; requests under way will finish");
        // Without a receiver the server has stopped already.
        let _ = stop.send(Some(if is_patient { notice } else { Duration::ZERO }));
    });
    let metrics = Arc::clone(&node.metrics);
    let administrators = async {
        match own {
            Some((listener, router)) => {
                serve(listener, router, Arc::clone(&metrics), bounds.clone(), told_in(stopped.clone())).await
            }
            None => true,
        }
    };
    let public =
        serve(listeners.public, served, Arc::clone(&metrics), bounds.clone(), told_in(stopped.clone()));
    let (has_finished, have_administrators) = tokio::join!(public, administrators);
    let has_finished = has_finished && have_administrators;
    drop((jobs, confirmations));
    jobs::leave(node).await;
    if !has_finished {
        tracing::warn!("some requests did not finish within --shutdown-grace and were cut off");
    }
    Ok(ExitCode::SUCCESS)
}

/// For how long newcomers are served still, once somebody says that it is over.
async fn told_in(mut stopped: watch::Receiver<Option<Duration>>) -> Duration {
    let told = stopped.wait_for(Option::is_some).await;
    told.ok().and_then(|notice| *notice).unwrap_or_default()
}

/// At SIGHUP what can be read again is read again.
fn reload_when_told(
    mut told: Signal,
    mut given: Given,
    ring: Option<RingWatch>,
    places: Arc<Places>,
) -> JoinSet<()> {
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        while told.recv().await.is_some() {
            given.reload(ring.as_ref(), &places).await;
        }
    });
    listening
}

/// At SIGUSR1 the clock is believed as it stands: somebody has compared it with another one.
fn confirm_clock_when_told(node: &Node) -> std::io::Result<JoinSet<()>> {
    let mut told = signal(SignalKind::user_defined1())?;
    let engine = Arc::clone(&node.engine);
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        while told.recv().await.is_some() {
            match engine.upkeep().clock_doubt() {
                Some(_) => engine.upkeep().confirm_clock(),
                None => tracing::info!("SIGUSR1 confirms the clock, which was not in doubt; nothing changes"),
            }
        }
    });
    Ok(listening)
}

/// Resolves at SIGTERM (`true`: give notice first) or SIGINT (`false`: somebody waits at a terminal).
fn stop_signals() -> std::io::Result<impl Future<Output = bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => false,
        }
    })
}

/// One screen that says what runs and what to do next.
fn welcome(node: &Node, listen: SocketAddr) -> String {
    let config = &node.config;
    let url = config.issuer();
    let profiles: Vec<_> = node.profiles.iter().map(|profile| profile.name.as_str()).collect();
    let database = match &config.store.database {
        Database::Sqlite(path) => format!("SQLite, {}", path.display()),
        Database::Postgres(server) => format!("PostgreSQL, {server}"),
    };
    let mut routes = node.profiles.iter().flat_map(|profile| &profile.wire.routes);
    let login = routes
        .find(|route| route.action.account() == Whose::Named && route.opens_session())
        .map(|route| FirstLogin::at(url, route));
    let names = login.as_ref().map_or("--username ann", |login| login.names);
    let mut screen = format!(
        "\n  sprag {version}\n\n  \
         listening   http://{listen}\n{administrators}  \
         public URL  {url}\n  \
         profiles    {profiles}\n  \
         data        {database}\n  \
         signing     {algorithm}\n\n  \
         What to do next\n\n    \
         make a user    printf '%s' 'a long password' | {program} user create {names} --password-stdin\n",
        program = program(),
        version = env!("CARGO_PKG_VERSION"),
        administrators = config.listen.admin_address.map_or_else(String::new, |address| format!(
            "  for admins  http://{address} (their calls, /metrics, details of /readyz)\n"
        )),
        profiles = profiles.join(", "),
        algorithm = config.tokens.signing_algorithm.name(),
    );
    if let (true, RingSource::File(path), Database::Postgres(_)) =
        (node.has_new_ring, &node.ring, &config.store.database)
    {
        screen += &format!(
            "    add a node     give it these same keys first: copy {} into its data directory,\n                   \
             mode 0600, or set SPRAG_KEY_RING there to its text\n",
            path.display()
        );
    }
    if let Some(login) = login {
        screen += &format!("    log in         {}\n", login.command);
    }
    screen += &calls_that_are_off(&node.profiles);
    screen += &format!("    read on        {url}/docs\n\n");
    screen
}

/// What a profile could offer and does not, with the line that turns it on.
fn calls_that_are_off(profiles: &[Profile]) -> String {
    let lines = profiles.iter().filter(|profile| !profile.turned_off().is_empty()).map(|profile| {
        let off = profile.turned_off();
        let (named, told, all) = named_off(&profile.name, &off);
        let on: Vec<&str> = profile.can_offer().into_iter().filter(|action| !off.contains(action)).collect();
        let line = on.iter().chain(named).copied().collect::<Vec<_>>().join(",");
        let all = all.map(|all| format!(" ({all})")).unwrap_or_default();
        format!("    turn on        {told} of {}, now off: SPRAG_OFFERS={line}{all}\n", profile.name)
    });
    lines.collect()
}

/// The first log-in, as the profile takes it.
struct FirstLogin {
    /// What the account must be made with.
    names: &'static str,
    command: String,
}

impl FirstLogin {
    fn at(url: &str, route: &Route) -> Self {
        let field = |wanted: &[Input]| {
            let mut fields = route.takes.fields().iter();
            fields.find(|field| wanted.contains(&field.input))
        };
        let name = field(&[Input::Name, Input::Username, Input::Email]);
        let is_email = name
            .is_some_and(|field| field.input == Input::Email || field.name.to_lowercase().contains("mail"));
        let (names, typed) = match is_email {
            true => ("--email ann@example.org", "ann@example.org"),
            false => ("--username ann", "ann"),
        };
        let mut body = Map::new();
        for (field, text) in [(name, typed), (field(&[Input::Password]), "a long password")] {
            body.extend(field.map(|field| (field.name.clone(), text.into())));
        }
        let command = format!("curl {url}{} --json '{}'", route.path, Value::Object(body));
        Self { names, command }
    }
}
