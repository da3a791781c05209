//! Sending letters, where they are on.

use tokio::task::JoinSet;

use crate::run::node::Node;

/// Starts to send what waits, or says why nothing is sent.
pub(super) fn start(node: &Node, jobs: &mut JoinSet<()>) {
    match node.sender() {
        Ok(Some(sender)) => drop(jobs.spawn(sender.send_on())),
        Ok(None) => tracing::info!(
            "letters are off: nobody can confirm an address or set a forgotten password anew; {} says how they leave",
            node.config.called("mail-url")
        ),
        Err(error) => tracing::error!("no letter is sent, and those that are written wait: {error:#}"),
    }
}
