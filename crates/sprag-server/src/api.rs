//! What a route can do: one file for each action.

pub(crate) mod actions;
pub(crate) mod refresh;
