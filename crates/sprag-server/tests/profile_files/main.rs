//! Profiles as their files have them: what may stand there, what is wrong with what may not, and what the shipped ones say.

mod errors;
mod extends;
mod import;
mod keys;
mod reference;
mod shapes;
mod shipped;
mod toml_hints;
