//! The story: what happens, and what a reader should see happen.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use sprag::Engine;
use sprag::engine::NewUser;
use sprag::session::{EndCause, SessionId};

use super::stage::Stage;
use crate::cli::output::program;
use crate::cli::why;
use crate::http_client::{HttpClient, Reply};
use crate::places::Places;

/// The reuse interval of the story: long enough for a retry, short enough to wait for.
pub(super) const REUSE_INTERVAL: Duration = Duration::from_secs(2);

/// How long the story waits so that the reuse interval is over for sure.
const PAUSE: Duration = Duration::from_millis(2600);

const USER: &str = "ann";
const PASSWORD: &str = "correct horse battery staple";

/// Tells the story with a client and, where an administrator speaks, with the engine.
pub(super) struct Story<W> {
    stage: Stage<W>,
    client: HttpClient,
    engine: Arc<Engine>,
}

/// A logged-in device.
struct Device {
    session: SessionId,
    access: String,
    refresh: String,
}

impl<W: Write> Story<W> {
    pub(super) fn new(stage: Stage<W>, client: HttpClient, engine: Arc<Engine>) -> Self {
        Self { stage, client, engine }
    }

    /// Tells it to the end, or to where it breaks off, and gives back what went otherwise.
    pub(super) async fn tell(mut self) -> Vec<String> {
        if let Err(error) = self.chapters().await {
            self.stage.break_off(&format!("{error:#}"));
        }
        self.stage.into_failures()
    }

    async fn chapters(&mut self) -> anyhow::Result<()> {
        let address = self.client.address();
        self.stage.headline(&format!("The story of a session, told by a server on http://{address}"))?;
        self.the_server_lives().await?;
        self.a_user_is_made().await?;
        let first = self.ann_logs_in().await?;
        self.a_protected_call(&first).await?;
        let newest = self.the_session_rotates(&first).await?;
        self.an_answer_is_lost(&first, &newest).await?;
        self.a_spent_token_comes_back_late(&first, &newest).await?;
        self.why(&first).await?;
        let devices = self.three_devices().await?;
        let devices = self.one_leaves(devices).await?;
        self.all_leave(devices).await?;
        self.stage.headline(&format!("That is all. Run a server of your own: {} serve", program()))?;
        Ok(())
    }

    async fn the_server_lives(&mut self) -> anyhow::Result<()> {
        self.stage.step("The server is alive")?;
        let reply = self.call(Method::GET, "/healthz", None, None).await?;
        self.stage.expect("it answers 200", reply.status == 200)?;
        Ok(())
    }

    async fn a_user_is_made(&mut self) -> anyhow::Result<()> {
        self.stage.step("A user is made")?;
        self.stage
            .sent('$', &format!("printf %s … | sprag user create --username {USER} --password-stdin"))?;
        let user = NewUser { username: Some(USER), password: Some(PASSWORD), ..NewUser::default() };
        let operator = sprag::engine::Requester::nobody();
        let made = self.engine.accounts().create(user, &operator).await;
        if let Ok(account) = &made {
            self.stage.sent('<', &format!("account {}", account.id))?;
        }
        self.stage.expect("there is an account", made.is_ok())?;
        Ok(())
    }

    async fn ann_logs_in(&mut self) -> anyhow::Result<Device> {
        self.stage.step("Ann logs in: a short access token for APIs, a refresh token for this device")?;
        self.log_in("laptop").await
    }

    async fn a_protected_call(&mut self, device: &Device) -> anyhow::Result<()> {
        self.stage.step("The access token opens a protected call")?;
        let reply = self.call(Method::GET, "/api/v1/auth/me", Some(&device.access), None).await?;
        let username = reply.json::<Value>().unwrap_or_default()["username"] == USER;
        self.stage.expect("it says who is asking", reply.status == 200 && username)?;
        Ok(())
    }

    async fn the_session_rotates(&mut self, device: &Device) -> anyhow::Result<String> {
        self.stage.step("Refresh: the session turns, and the token just used is spent")?;
        let reply = self.refresh(&device.refresh).await?;
        let newest = token_in(&reply, "refresh_token")?;
        self.stage.expect("a new refresh token comes", newest != device.refresh)?;
        Ok(newest)
    }

    async fn an_answer_is_lost(&mut self, device: &Device, newest: &str) -> anyhow::Result<()> {
        let window = REUSE_INTERVAL.as_secs();
        self.stage.step(&format!(
            "That answer was lost, say, so the client tries again at once (within {window} s here)"
        ))?;
        let reply = self.refresh(&device.refresh).await?;
        let again = token_in(&reply, "refresh_token")?;
        self.stage
            .expect("the same successor comes, byte for byte: nobody is logged out", again == newest)?;
        Ok(())
    }

    async fn a_spent_token_comes_back_late(&mut self, device: &Device, newest: &str) -> anyhow::Result<()> {
        self.stage.step("Later somebody presents the spent token again: theft until proven otherwise")?;
        self.stage.say("(waiting until the reuse interval is over)")?;
        tokio::time::sleep(PAUSE).await;
        let reply = self.refresh(&device.refresh).await?;
        self.stage.expect("the session ends, with cause reuse", is_ended(&reply, EndCause::Reuse))?;
        let reply = self.refresh(newest).await?;
        self.stage.expect(
            "so the newest token is worth nothing either, whoever holds it",
            is_ended(&reply, EndCause::Reuse),
        )?;
        Ok(())
    }

    async fn why(&mut self, device: &Device) -> anyhow::Result<()> {
        self.stage.step("The administrator asks why")?;
        self.stage.sent('$', &format!("sprag why {}", device.session))?;
        let found = self.engine.sessions().explain(device.session).await.context("could not ask why")?;
        let Some(explanation) = found else { bail!("the session is unknown") };
        let opened_at = Places::default().opened_at(&explanation.detail);
        self.stage.say(&why::explain(&explanation, &opened_at, self.engine.now()))?;
        let cause = explanation.session.ended.map(|ended| ended.cause);
        self.stage.expect("the journal tells what happened", cause == Some(EndCause::Reuse))?;
        Ok(())
    }

    async fn three_devices(&mut self) -> anyhow::Result<[Device; 3]> {
        self.stage.step("Ann logs in on three devices and lists them")?;
        let devices =
            [self.log_in("laptop").await?, self.log_in("phone").await?, self.log_in("tablet").await?];
        let path = "/api/v1/auth/sessions";
        self.stage.sent('>', &format!("GET {path}"))?;
        let reply = self.client.read(path, Some(&devices[0].access)).await?;
        let listed: Value = reply.json().context("the list of sessions is not JSON")?;
        let sessions = listed["sessions"].as_array().cloned().unwrap_or_default();
        self.stage.sent('<', &reply.status.to_string())?;
        for session in &sessions {
            self.stage.say(&listing(session))?;
        }
        let names: Vec<_> = sessions.iter().filter_map(|session| session["device"].as_str()).collect();
        let current = sessions.iter().filter(|session| session["current"] == true).count();
        let is_so = names == ["laptop", "phone", "tablet"] && current == 1;
        self.stage.expect("all three are there, and the one that asked is marked", is_so)?;
        Ok(devices)
    }

    async fn one_leaves(&mut self, [laptop, phone, tablet]: [Device; 3]) -> anyhow::Result<[Device; 2]> {
        self.stage.step("She logs out on the phone")?;
        let body = json!({ "refresh_token": phone.refresh });
        let reply = self.call(Method::POST, "/api/v1/auth/logout", None, Some(&body)).await?;
        self.stage.expect("it is done", reply.status == 204)?;
        let reply = self.refresh(&phone.refresh).await?;
        self.stage
            .expect("the phone's session is over, with cause logout", is_ended(&reply, EndCause::Logout))?;
        let mut others = [laptop, tablet];
        for device in &mut others {
            let reply = self.refresh(&device.refresh).await?;
            self.stage.expect("the others live", reply.status == 200)?;
            device.refresh = token_in(&reply, "refresh_token")?;
            device.access = token_in(&reply, "access_token")?;
        }
        Ok(others)
    }

    async fn all_leave(&mut self, [laptop, tablet]: [Device; 2]) -> anyhow::Result<()> {
        self.stage.step("She logs out everywhere, from the laptop")?;
        let reply = self.call(Method::POST, "/api/v1/auth/logout-all", Some(&laptop.access), None).await?;
        self.stage.expect("it is done", reply.status == 204)?;
        for (device, name) in [(&laptop, "laptop"), (&tablet, "tablet")] {
            let reply = self.refresh(&device.refresh).await?;
            let is_so = is_ended(&reply, EndCause::LogoutAll);
            self.stage.expect(&format!("the {name}'s session is over, with cause logout_all"), is_so)?;
        }
        Ok(())
    }

    async fn log_in(&mut self, device: &str) -> anyhow::Result<Device> {
        let body = json!({ "username": USER, "password": PASSWORD, "device": device });
        let reply = self.call(Method::POST, "/api/v1/auth/login", None, Some(&body)).await?;
        let pair = (reply.status == 200).then(|| device_in(&reply));
        self.stage.expect("a token pair comes", matches!(pair, Some(Ok(_))))?;
        pair.context("without a log-in there is no story")?
    }

    async fn refresh(&mut self, token: &str) -> anyhow::Result<Reply> {
        let body = json!({ "refresh_token": token });
        self.call(Method::POST, "/api/v1/auth/refresh", None, Some(&body)).await
    }

    /// Shows a request, sends it and shows the answer.
    async fn call(
        &mut self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let mut line = format!("{method} {path}");
        let mut headers = vec![("user-agent", "sprag demo")];
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        if let (Some(value), Some(token)) = (&authorization, bearer) {
            headers.push(("authorization", value));
            line += &format!(" with Authorization: Bearer {}", self.stage.short_token(token));
        }
        if let Some(body) = body {
            headers.push(("content-type", "application/json"));
            line += &format!(" {}", self.stage.shorten(body));
        }
        self.stage.sent('>', &line)?;
        let body = body.map(|body| Bytes::from(body.to_string()));
        let reply = self.client.send(method, path, &headers, body).await?;
        self.stage.answered(&reply)?;
        Ok(reply)
    }
}

fn device_in(reply: &Reply) -> anyhow::Result<Device> {
    let session = token_in(reply, "session_id")?;
    Ok(Device {
        session: session.parse().context("the answer's session_id is no session's id")?,
        access: token_in(reply, "access_token")?,
        refresh: token_in(reply, "refresh_token")?,
    })
}

fn token_in(reply: &Reply, name: &str) -> anyhow::Result<String> {
    let body: Value = reply.json().context("the answer is not JSON")?;
    body[name].as_str().map(str::to_owned).with_context(|| format!("the answer has no {name}"))
}

fn is_ended(reply: &Reply, cause: EndCause) -> bool {
    let body: Value = reply.json().unwrap_or_default();
    reply.status == 401 && body["code"] == "session_ended" && body["cause"] == cause.name()
}

fn listing(session: &Value) -> String {
    let text = |name: &str| session[name].as_str().unwrap_or("-").to_owned();
    let mark = if session["current"] == true { "  this one" } else { "" };
    format!("  {:<8} {:<10} opened {}{mark}", text("device"), text("ip"), text("created_at"))
}
