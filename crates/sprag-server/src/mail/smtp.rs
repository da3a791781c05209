//! To a mail server.

use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{AsyncSmtpTransport, Error, PoolConfig};
use lettre::{AsyncTransport as _, Tokio1Executor};
use sprag::engine::Outcome;
use tokio::time::timeout;

use super::outgoing::{Mailer, Outgoing};
use crate::config::{Smtp, SmtpTls};

/// How long a mail server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long one letter may take in all: less than the lease on it.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(45);

/// How many connections are kept.
const CONNECTIONS: u32 = 4;

/// Answers that are about this letter or its reader, and will be the same tomorrow (RFC 5321 section 4.2.3). Others, as that of a
/// server which does not take our password, are about us, and somebody will mend them.
const NEVER: [u16; 5] = [550, 551, 552, 553, 554];

/// A mail server.
pub(super) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Server {
    pub(super) fn new(server: &Smtp, from: Mailbox) -> anyhow::Result<Self> {
        let parameters =
            TlsParameters::new(server.host.clone()).context("TLS to the mail server cannot be set up")?;
        let tls = match server.tls {
            SmtpTls::Implicit => Tls::Wrapper(parameters),
            SmtpTls::Required => Tls::Required(parameters),
            SmtpTls::Offered => Tls::Opportunistic(parameters),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host.clone())
            .port(server.port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS));
        let login = server.login.as_ref();
        let login =
            login.map(|(user, password)| Credentials::new(user.clone(), password.expose().to_owned()));
        let builder = login.into_iter().fold(builder, |builder, login| builder.credentials(login));
        Ok(Self { transport: builder.build(), from })
    }
}

#[async_trait]
impl Mailer for Server {
    async fn send(&self, letter: &Outgoing) -> Outcome {
        let message = match letter.message(&self.from) {
            Ok(message) => message,
            Err(why) => return Outcome::Never(why),
        };
        match timeout(PATIENCE_IN_ALL, self.transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Taken,
            Ok(Err(error)) if is_final(&error) => Outcome::Never(told(&error)),
            Ok(Err(error)) => Outcome::NotNow(told(&error)),
            Err(_) => Outcome::NotNow(format!("nothing came of it in {} s", PATIENCE_IN_ALL.as_secs())),
        }
    }
}

fn is_final(error: &Error) -> bool {
    let code = error.status().and_then(|code| code.to_string().parse::<u16>().ok());
    error.is_permanent() && code.is_some_and(|code| NEVER.contains(&code))
}

/// What the server said, or why it said nothing.
fn told(error: &Error) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}")
}
