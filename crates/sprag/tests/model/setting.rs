//! Who is about in the model, and what may happen to them.

use crate::model::row::Rules;

/// What the network may lose, and how clients cope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Losses {
    None,
    /// Of a duplicated request only one answer is sure to come back.
    OfCopies,
    /// One message of each generation; whoever waits for it repeats it as soon as it is overdue.
    OnePerGeneration,
    /// Any message; whoever waits repeats it, however late.
    Any,
}

/// When a backup may be restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Restores {
    Never,
    /// Only while nothing is under way: the server was down for longer than a message lives.
    Quietly,
    Anytime,
}

/// Whether the thief copies the retry id with the token, and when it must be found then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RetryIdTheft {
    No,
    /// By the victim's next refresh all the same.
    FoundNext,
    /// By the next after the thief's first rotation under an id of its own.
    FoundLater,
}

/// One question to the checker: who is about and what may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    pub(crate) rules: Rules,
    pub(crate) tabs: u8,
    /// Whether only one tab at a time has a request under way.
    pub(crate) is_locked: bool,
    /// Whether a retry id is kept beside the token.
    pub(crate) has_retry_ids: bool,
    /// Whether the store keeps the newer of two tokens, rather than whichever answer comes last.
    pub(crate) keeps_newer: bool,
    pub(crate) losses: Losses,
    pub(crate) has_duplicates: bool,
    /// How many messages of one tab may be under way at once.
    pub(crate) messages: usize,
    /// Whether reading and writing the row are two steps that others can come between.
    pub(crate) is_two_step: bool,
    /// Whether each request may come from either of two networks, and so as either of two instances.
    pub(crate) has_two_networks: bool,
    pub(crate) has_thief: bool,
    pub(crate) retry_id_theft: RetryIdTheft,
    pub(crate) has_ends: bool,
    pub(crate) restores: Restores,
    /// How many ticks the server's clock may be set back, once.
    pub(crate) clock_back: u8,
    /// The last generation looked at, where generations are not counted from the oldest.
    pub(crate) generations: u8,
}
