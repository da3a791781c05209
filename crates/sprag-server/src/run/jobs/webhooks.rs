//! Telling other systems, where any want to hear.

use tokio::task::JoinSet;

use crate::run::node::Node;

/// Starts to send what waits for them.
pub(super) fn start(node: &Node, jobs: &mut JoinSet<()>) {
    match node.webhook_sender() {
        Ok(Some(sender)) => drop(jobs.spawn(sender.send_on())),
        Ok(None) => {}
        Err(error) => tracing::error!("no webhook is sent, and those that are written wait: {error:#}"),
    }
}
