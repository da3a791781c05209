//! Stories: what people, their devices and thieves live through at the wire, told through the real router over
//! the real store. No sockets, no sleeping: time is wound by hand.

mod access;
mod accounts;
mod addresses;
mod administrators;
mod administrators_look;
mod amended;
mod authentication;
mod canary;
mod challenges;
mod change_again;
mod codes;
mod cookies;
mod deletion;
mod faults;
mod foreign;
mod hooks;
mod hostile;
mod invited;
mod letters;
mod limits;
mod log_out_after_loss;
mod moved_on;
mod news;
mod next_ids;
mod offers;
mod old_accounts;
mod origins;
mod pages;
mod passwords;
mod places;
mod proxies;
mod refresh_limits;
mod registration;
mod restored;
mod risk;
mod sessions;
mod step_up;
mod theft;
mod unconfirmed;
mod verdicts;
mod vouched;
mod window;

use sprag_testkit::{call, people, seam, world};
