//! A letter as it leaves, and whoever takes it.

use async_trait::async_trait;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use sprag::engine::Outcome;

use crate::words::Written;

/// A letter on its way.
pub(crate) struct Outgoing {
    /// Under which it is known everywhere, however often it is sent.
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) link: Option<String>,
    /// A code that stands in it.
    pub(crate) code: Option<String>,
    pub(crate) written: Written,
}

/// Takes letters further.
#[async_trait]
pub(crate) trait Mailer: Send + Sync {
    /// Hands a letter over, and says what became of it.
    async fn send(&self, letter: &Outgoing) -> Outcome;
}

impl Outgoing {
    /// As mail servers take it: text first, then HTML; no answer is expected, and no program is to give one (RFC 3834).
    pub(super) fn message(&self, from: &Mailbox) -> Result<Message, String> {
        let to = self.to.parse().map_err(|_| "the address is none that a mail server takes".to_owned())?;
        let to = Mailbox::new(None, to);
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let suppress = HeaderName::new_from_ascii_str("X-Auto-Response-Suppress");
        let parts = MultiPart::alternative_plain_html(self.written.text.clone(), self.written.html.clone());
        let message = Message::builder()
            .from(from.clone())
            .to(to)
            .subject(&self.written.subject)
            .message_id(Some(format!("<{}@{}>", self.id, from.email.domain())))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .raw_header(HeaderValue::new(suppress, "All".to_owned()))
            .multipart(parts);
        message.map_err(|error| format!("it cannot be put into a message: {error}"))
    }
}
