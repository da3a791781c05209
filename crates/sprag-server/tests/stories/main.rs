//! Stories: what people, their devices and thieves live through at the wire, told through the real router over
//! the real store. No sockets, no sleeping: time is wound by hand.

mod call;
mod people;
mod seam;
mod world;

mod accounts;
mod cookies;
mod passwords;
mod sessions;
mod theft;
mod verdicts;
mod window;
