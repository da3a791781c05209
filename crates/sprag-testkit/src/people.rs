//! Who is in the stories: people with accounts, their devices, and thieves.

use std::net::IpAddr;

use serde_json::{Value, json};
use sprag::account::{Account, Name};
use sprag::audit::{Event, EventKind};
use sprag::random::{self, SystemRandom};
use sprag::session::{AccountId, Session, SessionId};
use sprag::store::{Commit, Expect, Step, Was};

use crate::call::{Answer, Call, REFRESH_COOKIE};
use crate::world::{ORIGIN, World, ip};

pub const LOGIN: &str = "/api/v1/auth/login";
pub const REFRESH: &str = "/api/v1/auth/refresh";
pub const LOGOUT: &str = "/api/v1/auth/logout";
pub const LOGOUT_ALL: &str = "/api/v1/auth/logout-all";
pub const ME: &str = "/api/v1/auth/me";
pub const REGISTER: &str = "/api/v1/auth/register";
pub const SESSIONS: &str = "/api/v1/auth/sessions";
pub const ADMIN_SESSIONS: &str = "/api/v1/auth/admin/sessions";
pub const PASSWORD: &str = "/api/v1/auth/password";

/// The cookie of our profile, and the one that marks a device.
pub const COOKIE: &str = REFRESH_COOKIE;
pub const DEVICE_COOKIE: &str = "__Host-sprag_refresh-device";

/// Passwords whose hashes were made once and for all, as hashing takes long.
pub const KNOWN: [(&str, &str); 3] = [
    (
        "ann",
        "$argon2id$v=19$m=19456,t=2,p=1$pyEsI0EiGoO+xxV/TDpYSQ$pkLS4TSjxuPrDlx3HirmQPnGn9me3BFHo5eI/jhKOkE",
    ),
    (
        "bob",
        "$argon2id$v=19$m=19456,t=2,p=1$p+vQrckRhYc90IUs8m9txg$aHsYNeqNMhKsnM3DnPSVOXCU+70ll6TgGYfKNKPR2rk",
    ),
    (
        "root",
        "$argon2id$v=19$m=19456,t=2,p=1$jD6x9+0QHBp80ngjesj6mg$2egDaoBvMgZMgcLRKf7WXCNqfVIPjGO7E7zxyBkkczM",
    ),
];

/// Somebody with an account.
pub struct Person<'w> {
    pub world: &'w World,
    pub name: &'static str,
    pub id: AccountId,
    pub password: String,
}

impl World {
    pub async fn ann(&self) -> Person<'_> {
        self.moves_in("ann", false).await
    }

    pub async fn bob(&self) -> Person<'_> {
        self.moves_in("bob", false).await
    }

    /// An administrator.
    pub async fn root(&self) -> Person<'_> {
        self.moves_in("root", true).await
    }

    async fn moves_in(&self, name: &'static str, is_admin: bool) -> Person<'_> {
        let (_, hash) = KNOWN.into_iter().find(|(known, _)| *known == name).expect("somebody we know");
        let id = AccountId(random::id(&SystemRandom::default(), self.now()));
        let email = format!("{name}@example.org");
        let account = Account {
            username: Some(name.to_owned()),
            email: Some(email.clone()),
            is_admin,
            ..Account::new(id, self.now())
        };
        let event = Event {
            account: id,
            at: self.now(),
            kind: EventKind::AccountCreated,
            session: None,
            cause: None,
            ip: None,
            user_agent: None,
            note: None,
        };
        let steps = vec![
            Step::CreateAccount(Box::new(account)),
            Step::AddName(Name::username(name).expect("a name")),
            Step::AddName(Name::email(&email).expect("an address")),
            Step::put_password(Was::Missing, hash.to_owned(), self.now()),
        ];
        let commit = Commit { account: id, expect: Expect::Anything, steps, events: vec![event] };
        let made = self.seam.store().commit(commit).await.expect("a store that works");
        assert!(made.is_done(), "{name} is new");
        Person { world: self, name, id, password: format!("{name}'s battery staple") }
    }
}

impl<'w> Person<'w> {
    /// Logs in on a device that keeps its tokens itself.
    pub async fn logs_in(&self) -> Device<'w> {
        self.logs_in_on(Device::new(self.world, "Phone/1.0", "192.0.2.10")).await
    }

    /// Logs in with a browser that keeps the refresh token in a cookie.
    pub async fn logs_in_by_cookie(&self) -> Device<'w> {
        self.logs_in_on(Device::browser(self.world)).await
    }

    pub async fn logs_in_by(&self, way: Way) -> Device<'w> {
        match way {
            Way::Body => self.logs_in().await,
            Way::Cookie => self.logs_in_by_cookie().await,
        }
    }

    pub async fn logs_in_on(&self, mut device: Device<'w>) -> Device<'w> {
        let answer = self.tries_to_log_in(&device, &self.password).await.is(200);
        device.keeps(&answer);
        device
    }

    pub async fn tries_to_log_in(&self, device: &Device<'w>, password: &str) -> Answer {
        let mut body = json!({ "username": self.name, "password": password });
        if device.way == Way::Cookie {
            body["transport"] = "cookie".into();
        }
        self.world.sends(device.call("POST", LOGIN).without("authorization").json(&body)).await
    }

    pub async fn journal(&self) -> Vec<String> {
        self.world.journal(self.id).await
    }

    /// What the journal has since `before`, a journal read earlier.
    pub async fn journal_since(&self, before: &[String]) -> Vec<String> {
        let journal = self.journal().await;
        assert_eq!(&journal[..before.len()], before, "the journal only grows");
        journal[before.len()..].to_vec()
    }

    pub async fn is_disabled(&self) {
        let done =
            self.world.engine.accounts().disable(self.id, &nobody()).await.expect("a store that works");
        assert!(done, "{} was enabled", self.name);
    }

    pub async fn is_enabled(&self) {
        let done = self.world.engine.accounts().enable(self.id, &nobody()).await.expect("a store that works");
        assert!(done, "{} was disabled", self.name);
    }
}

/// How a device keeps its refresh token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Body,
    Cookie,
}

impl Way {
    pub const BOTH: [Self; 2] = [Self::Body, Self::Cookie];
}

/// A client: an app, a browser, or whatever a thief uses.
#[derive(Clone)]
pub struct Device<'w> {
    pub world: &'w World,
    pub way: Way,
    pub user_agent: &'static str,
    pub address: IpAddr,
    /// The tokens it holds; the refresh token in its jar or its memory.
    pub access: String,
    pub refresh: String,
    pub session: SessionId,
    /// Cookies, but the refresh token.
    pub jar: Vec<(String, String)>,
}

impl<'w> Device<'w> {
    pub fn new(world: &'w World, user_agent: &'static str, address: &str) -> Self {
        Self {
            world,
            way: Way::Body,
            user_agent,
            address: ip(address),
            access: String::new(),
            refresh: String::new(),
            session: SessionId(uuid::Uuid::nil()),
            jar: Vec::new(),
        }
    }

    pub fn browser(world: &'w World) -> Self {
        Self { way: Way::Cookie, ..Self::new(world, "Browser/1.0", "192.0.2.20") }
    }

    /// Somebody elsewhere who has got hold of this device's tokens as they are now, and of nothing else.
    pub fn is_robbed(&self) -> Self {
        let address = ip("203.0.113.66");
        Self { user_agent: "curl/8.0", address, jar: Vec::new(), ..self.clone() }
    }

    /// A request as this device sends it: from its address, with its cookies, from a page of our site.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let mut call = Call::new(method, path).from(self.address).header("user-agent", self.user_agent);
        if self.way == Way::Cookie {
            call = call.header("origin", ORIGIN);
            for (name, value) in &self.jar {
                call = call.cookie(name, value);
            }
            if !self.refresh.is_empty() {
                call = call.cookie(COOKIE, &self.refresh);
            }
        }
        call
    }

    /// A call of this device with its access token.
    pub fn bearer_call(&self, method: &str, path: &str) -> Call {
        self.call(method, path).bearer(&self.access)
    }

    /// A call that shows this refresh token, the way this device sends it.
    pub fn showing(&self, token: &str, path: &str) -> Call {
        match self.way {
            Way::Body => self.call("POST", path).json(&json!({ "refresh_token": token })),
            Way::Cookie => Self { refresh: token.to_owned(), ..self.clone() }.call("POST", path),
        }
    }

    /// Refreshes with the token it holds and keeps what it gets.
    pub async fn refreshes(&mut self) -> Answer {
        let answer = self.presents(&self.refresh.clone()).await;
        if answer.status == 200 {
            self.keeps(&answer);
        }
        answer
    }

    /// Waits until a refresh turns the session again, and refreshes.
    pub async fn turns(&mut self) -> Answer {
        self.world.winds(crate::world::W + 1);
        self.refreshes().await.is(200)
    }

    /// Refreshes with any token and keeps nothing.
    pub async fn presents(&self, token: &str) -> Answer {
        self.world.sends(self.showing(token, REFRESH)).await
    }

    /// Presents a refresh token with a retry id.
    pub async fn presents_again(&self, token: &str, retry_id: &str) -> Answer {
        self.world.sends(self.showing(token, REFRESH).header("idempotency-key", retry_id)).await
    }

    pub async fn logs_out(&self) -> Answer {
        self.world.sends(self.showing(&self.refresh, LOGOUT)).await
    }

    pub async fn logs_out_everywhere(&self) -> Answer {
        self.world.sends(self.bearer_call("POST", LOGOUT_ALL)).await
    }

    /// Asks with its access token.
    pub async fn asks(&self, path: &str) -> Answer {
        self.world.sends(self.bearer_call("GET", path)).await
    }

    /// The sessions its account has, as it is told.
    pub async fn lists(&self) -> Vec<Value> {
        let answer = self.asks(SESSIONS).await.is(200);
        answer.json()["sessions"].as_array().expect("a list").clone()
    }

    pub async fn ends(&self, session: SessionId) -> Answer {
        self.world.sends(self.bearer_call("DELETE", &format!("{SESSIONS}/{session}"))).await
    }

    /// Changes the password, showing its access token and, in a browser, the cookie.
    pub async fn changes_password(&self, current: &str, new: &str) -> Answer {
        let body = json!({ "current_password": current, "new_password": new });
        self.world.sends(self.bearer_call("POST", PASSWORD).json(&body)).await
    }

    pub async fn row(&self) -> Session {
        self.world.row(self.session).await
    }

    /// Whether both its tokens still work; winds the clock past W.
    pub async fn is_logged_in(&mut self) -> bool {
        self.world.winds(crate::world::W + 1);
        self.refreshes().await.status == 200 && self.asks(ME).await.status == 200
    }

    /// Keeps what an answer hands out, as a careful client does.
    pub fn keeps(&mut self, answer: &Answer) {
        self.access = answer.access_token();
        let refresh = answer.refresh_token();
        if !refresh.is_empty() {
            self.refresh = refresh;
        }
        if let Some(mark) = answer.cookie(DEVICE_COOKIE) {
            self.jar = vec![(DEVICE_COOKIE.to_owned(), mark)];
        }
        self.session = answer.field("session_id").parse().expect("a session's id");
    }
}

/// A client of which nothing is known.
pub fn nobody() -> sprag::engine::Requester {
    sprag::engine::Requester::nobody()
}
