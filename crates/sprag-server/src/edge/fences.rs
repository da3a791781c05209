//! Who is turned away for where they come from.

use std::net::IpAddr;

use sprag::audit::Severity;
use sprag::error::refusals::PLACE_REFUSED;
use sprag::security::Outcome;

use super::app::App;
use crate::places::Fence;

/// What a log-in is called where it is told of.
pub(crate) const LOGIN: &str = "log-in";

/// Whether one of these fences keeps whoever asks from that address out, for what is called so; it is counted and told, and
/// nothing ends by it.
pub(crate) fn keep_out(app: &App, what: &'static str, fences: &[Fence], address: Option<IpAddr>) -> bool {
    if fences.is_empty() {
        return false;
    }
    let whence = app.places.whence(address);
    if fences.iter().all(|fence| fence.lets_in(whence)) {
        return false;
    }
    if what == LOGIN {
        app.engine.counts().login_refused(PLACE_REFUSED.name);
    }
    let from = app.places.turned.count(what, whence, app.engine.now());
    let (note, address) = (format!("{what} from {from}"), address.map(|address| address.to_string()));
    let outcome = Outcome::named("", Severity::Warning, address.as_deref(), None);
    Outcome { note: Some(&note), ..outcome.refused(PLACE_REFUSED.name) }.tell_seldom();
    true
}
