//! Telling other systems, where any want to hear.

use tokio::task::JoinSet;

use crate::run::node::Node;

/// Starts to send what waits for them.
pub(super) fn start(node: &Node, jobs: &mut JoinSet<()>) {
    if let Some(sender) = node.webhook_sender() {
        jobs.spawn(sender.send_on());
    }
}
