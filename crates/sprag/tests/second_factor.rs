//! However many nodes share a store, a code of a second factor works once, and guesses share one budget.
#![cfg(feature = "postgres")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use futures_util::future::join_all;
use sprag::authn::Shown;
use sprag::budget::{Budget, Rate};
use sprag::clock::Timestamp;
use sprag::engine::{
    ClientPolicy, Engine, FactorProof, FactorRequest, LoggedIn, NewUser, OpenRequest, Requester,
};
use sprag::factor::totp::Seed;
use sprag::keys::{Algorithm, KeyRing};
use sprag::limits::Rates;
use sprag::password::Hasher;
use sprag::random::SystemRandom;
use sprag::session::{AccountId, ProfileId};
use sprag::store::Store as _;
use sprag::store::postgres::{PostgresStore, Settings};
use sprag::{Error, FaultKind, Refusal};
use sprag_rig::{Database, Postgres};

const PASSWORD: &str = "correct horse battery";

/// How many show one code at once.
const AT_ONCE: usize = 64;

/// Longer than so many at one account wait for each other on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Nodes {
    database: Database,
    engines: Vec<Arc<Engine>>,
    web: ClientPolicy,
    account: AccountId,
    seed: Seed,
    recovery_codes: Vec<String>,
}

impl Nodes {
    /// Three nodes on one store, and an account that has an app, whose first code was used a minute ago.
    async fn three(rates: &Rates) -> Self {
        let database = Postgres::shared().fresh_database();
        let settings = Settings::new(database.url().parse().expect("a URL"));
        let settings = Settings { deadline: PATIENCE, pool_wait: PATIENCE, ..settings };
        PostgresStore::migrate(&settings).await.expect("migrate");
        let (mut engines, mut ring) = (Vec::new(), None);
        for _ in 0..3 {
            let store = PostgresStore::open(settings.clone()).await.expect("open");
            let keys = ring.get_or_insert_with(|| {
                KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), store.clock().now())
                    .expect("keys")
            });
            let keys = KeyRing::from_json(&keys.to_json()).expect("its own text");
            let hasher = Hasher::start(1, 1000).expect("threads").failing_at_once();
            let engine = Engine::builder(Arc::new(store)).keys(keys).issuer("https://auth.example.org");
            engines.push(Arc::new(engine.hasher(hasher).rates(rates.clone()).build().expect("an engine")));
        }
        let web = ClientPolicy::new(ProfileId(1), "web");
        let (engine, nobody) = (&engines[0], Requester::nobody());
        let user = NewUser { username: Some("ann"), password: Some(PASSWORD), ..NewUser::default() };
        engine.accounts().create(user, &nobody).await.expect("create");
        let ann = engine.authn().password("ann", PASSWORD, &nobody).await.expect("her password");
        let pair = engine.open_session(&web, ann, OpenRequest::default(), &nobody).await.expect("open");
        let caller = engine.authenticate(&web, &pair.access_token).await.expect("her token");
        let account = caller.key.account;
        let new = engine.factors().add_totp(account, None).await.expect("add");
        let earlier = new.seed.code(Timestamp(engine.now().0 - 30_000));
        let confirmed = engine.factors().confirm_totp(&caller, new.id, &earlier, &nobody).await;
        let codes = confirmed.expect("her code");
        let recovery_codes: Vec<String> = codes.iter().map(|code| code.as_str().to_owned()).collect();
        assert_eq!(recovery_codes.len(), 10);
        Self { database, engines, web, account, seed: new.seed, recovery_codes }
    }

    /// A log-in that waits, at one of the nodes.
    async fn waits(&self, number: usize) -> String {
        let (engine, nobody) = (&self.engines[number % 3], Requester::nobody());
        let ann = loop {
            match engine.authn().password("ann", PASSWORD, &nobody).await {
                Ok(ann) => break ann,
                // Put off, on a machine that has much else to do.
                Err(Error::Failed(fault)) if fault.kind == FaultKind::Unavailable => {}
                Err(refused) => panic!("her password: {refused:?}"),
            }
        };
        match engine.log_in(&self.web, ann, OpenRequest::default(), &nobody).await.expect("log in") {
            LoggedIn::Waits(waits) => waits.token.as_str().to_owned(),
            LoggedIn::Opened(_) => panic!("the password alone opened a session"),
        }
    }

    async fn tries(&self, number: usize, token: &str, code: &str) -> Result<(), Error> {
        let engine = &self.engines[(number + 1) % 3];
        let request = FactorRequest { token, proof: FactorProof::Code(code), open: OpenRequest::default() };
        let requester = Requester { ip: Some(format!("198.51.{}.7", number % 250)), ..Requester::nobody() };
        engine.log_in_with_factor(&self.web, request, &Shown::default(), &requester).await.map(drop)
    }
}

/// Rates that have room for all who show one code at once, and for whoever confirmed the app: nobody is turned away before
/// their code is looked at, so that all of them race.
fn room_for_all() -> Rates {
    let burst = 2 * u32::try_from(AT_ONCE).expect("it is small");
    Rates::off().with(Budget::FactorAccount, Rate { burst, ..Budget::FactorAccount.usual() })
}

impl Nodes {
    /// Has 64 show one code at once, each to go on with a log-in of their own: one of them gets in, and every other one was looked at.
    /// The code is read once all of them wait, which takes as long as so many hashes.
    async fn let_one_in(&self, code: impl Fn(&Self) -> String) {
        let mut tokens = Vec::new();
        for number in 0..AT_ONCE {
            tokens.push(self.waits(number).await);
        }
        let code = code(self);
        let tries = tokens.iter().enumerate().map(|(number, token)| self.tries(number, token, &code));
        let answers = join_all(tries).await;
        let in_all = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(in_all, 1, "{answers:?}");
        for answer in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert!(matches!(answer, Error::Refused(Refusal::CodeWrong)), "{answer:?}");
        }
        let live = self.engines[0].sessions().listed(self.account, None, 200).await.expect("listed");
        assert_eq!(live.items.len(), 2, "that of the one who added the app, and that of the one who won");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r49_of_64_that_show_one_code_at_three_nodes_at_once_one_gets_in() {
    let nodes = Nodes::three(&room_for_all()).await;
    nodes.let_one_in(|nodes| nodes.seed.code(nodes.engines[0].now())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_that_show_one_recovery_code_at_three_nodes_at_once_one_gets_in() {
    let nodes = Nodes::three(&room_for_all()).await;
    nodes.let_one_in(|nodes| nodes.recovery_codes[0].clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r46_200_guesses_of_a_code_at_once_are_no_more_than_the_budget() {
    let nodes = Nodes::three(&Rates::off()).await;
    let mut tokens = Vec::new();
    for number in 0..50 {
        tokens.push(nodes.waits(number).await);
    }
    let now = nodes.engines[0].now();
    let near: Vec<String> = (-3..=3).map(|step| nodes.seed.code(Timestamp(now.0 + step * 30_000))).collect();
    let wrong = (0..10).map(|number| format!("00000{number}")).find(|code| !near.contains(code));
    let wrong = wrong.expect("ten codes are not all near");
    let tries = (0..200).map(|number| nodes.tries(number, &tokens[number % 50], &wrong));
    let answers = join_all(tries).await;
    let looked_at =
        answers.iter().filter(|answer| matches!(answer, Err(Error::Refused(Refusal::CodeWrong)))).count();
    let budget = usize::try_from(Budget::FactorAccount.usual().burst).expect("it is small");
    assert!((1..=budget).contains(&looked_at), "{looked_at}: {answers:?}");
    for answer in answers {
        assert!(
            matches!(answer, Err(Error::Refused(Refusal::CodeWrong | Refusal::RateLimited(_)))),
            "{answer:?}"
        );
    }
    let code = nodes.seed.code(nodes.engines[0].now());
    let late = nodes.tries(0, &nodes.waits(0).await, &code).await;
    assert!(matches!(late, Err(Error::Refused(Refusal::RateLimited(_)))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t8_a_dump_of_the_database_without_the_key_ring_has_no_seed_and_no_recovery_code() {
    let nodes = Nodes::three(&Rates::off()).await;
    let mut pg_dump = Command::new(Postgres::shared().bin("pg_dump"));
    let output = pg_dump.arg("--dbname").arg(nodes.database.url()).output().expect("pg_dump");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump = String::from_utf8(output.stdout).expect("a dump is text").to_lowercase();
    let written = |bytes: &[u8]| HEXLOWER.encode(bytes);
    assert!(dump.contains("\tann\t"), "it is that of this account");
    let kept =
        nodes.database.psql("select encode(secret, 'hex') from credential order by length(secret) desc");
    assert!(dump.contains(kept.lines().next().expect("its credentials")), "and has what is kept of them");

    let base32 = nodes.seed.base32();
    let seed = BASE32_NOPAD.decode(base32.as_bytes()).expect("base32");
    let plain = nodes.recovery_codes.iter().map(|code| code.replace('-', ""));
    let secrets = plain.chain(nodes.recovery_codes.clone()).chain([base32.to_lowercase()]);
    let mut spelled: Vec<String> = secrets.flat_map(|text| [written(text.as_bytes()), text]).collect();
    spelled.extend([written(&seed), BASE64.encode(&seed).to_lowercase()]);
    for secret in spelled {
        assert!(!dump.contains(&secret), "a dump has {secret}");
    }
}
