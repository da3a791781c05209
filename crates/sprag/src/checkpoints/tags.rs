//! What tags are made over.

use crate::audit::{Checkpoint, Cut, Erasure};

/// Everything a checkpoint says, in a form that only one checkpoint has: each field has one length.
pub(super) fn checkpoint(checkpoint: &Checkpoint) -> Vec<u8> {
    [
        b"sprag checkpoint v1".as_slice(),
        &checkpoint.number.to_be_bytes(),
        &checkpoint.before.0.to_be_bytes(),
        &checkpoint.chains.to_be_bytes(),
        &checkpoint.entries.to_be_bytes(),
        &checkpoint.root,
        &checkpoint.previous,
    ]
    .concat()
}

/// Everything a cut says, in a form that only one cut has: each field has one length.
pub(super) fn cut(cut: &Cut) -> Vec<u8> {
    [
        b"sprag journal cut v1".as_slice(),
        &cut.number.to_be_bytes(),
        &cut.at.0.to_be_bytes(),
        &cut.before.0.to_be_bytes(),
        &cut.covered_before.0.to_be_bytes(),
        &cut.chains.to_be_bytes(),
        &cut.entries.to_be_bytes(),
        &cut.root,
        &cut.previous,
    ]
    .concat()
}

/// Everything an erasure says, in a form that only one erasure has: each field has one length.
pub(super) fn erasure(erasure: &Erasure) -> Vec<u8> {
    [
        b"sprag journal erasure v1".as_slice(),
        &erasure.number.to_be_bytes(),
        &erasure.at.0.to_be_bytes(),
        erasure.account.0.as_bytes(),
        &erasure.last.to_be_bytes(),
        &erasure.chained_anew.to_be_bytes(),
        &erasure.old_head,
        &erasure.new_head,
        &erasure.checkpoint.to_be_bytes(),
        &erasure.previous,
    ]
    .concat()
}
