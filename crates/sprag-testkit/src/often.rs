//! How often a test does what it does: so that every kind of fault is met in the everyday run, and more often where somebody
//! asks for the long proofs.

use std::env;

/// Set to anything, it asks for the long proofs (`just proofs`).
const LONG_PROOFS: &str = "SPRAG_LONG_PROOFS";

/// The first number every day, the second for a long proof.
#[expect(clippy::disallowed_methods, reason = "no setting of the server's")]
pub fn often<N>(everyday: N, proof: N) -> N {
    if env::var_os(LONG_PROOFS).is_some() { proof } else { everyday }
}
