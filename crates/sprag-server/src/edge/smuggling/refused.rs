//! What is refused on a connection, for whoever answers it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What of a connection is refused, if anything is; nothing comes after it.
#[derive(Default, Debug)]
pub(crate) struct Refused {
    what: OnceLock<(What, &'static str)>,
    /// How many requests have been heard.
    heard: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    /// The head that has this number, counted from 0; something stands in its place.
    Head(u64),
    /// The last request's body, which breaks off.
    Body,
    /// A request that was read whole.
    Whole,
}

impl Refused {
    /// Refuses the head that has this number.
    pub(super) fn head(&self, number: u64, why: &'static str) {
        self.refuse(What::Head(number), why);
    }

    /// Refuses the last request's body.
    pub(super) fn body(&self, why: &'static str) {
        self.refuse(What::Body, why);
    }

    /// Refuses a request that was read whole.
    pub(crate) fn whole(&self, why: &'static str) {
        self.refuse(What::Whole, why);
    }

    /// The first that is refused is the last that is answered.
    fn refuse(&self, what: What, why: &'static str) {
        self.what.get_or_init(|| (what, why));
    }

    /// Counts a request of HTTP/1 that is heard. Why it is refused, where it only stands in the place of one.
    pub(crate) fn hear(&self) -> Option<&'static str> {
        let number = self.heard.fetch_add(1, Ordering::Relaxed);
        self.what.get().filter(|(what, _)| *what == What::Head(number)).map(|(_, why)| *why)
    }

    /// Why the last request's body broke off, where it was refused.
    pub(crate) fn why_body(&self) -> Option<&'static str> {
        self.what.get().filter(|(what, _)| *what == What::Body).map(|(_, why)| *why)
    }

    /// Whether anything is refused.
    pub(crate) fn is_any(&self) -> bool {
        self.what.get().is_some()
    }
}
