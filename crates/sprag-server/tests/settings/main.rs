//! Settings: where they are read from, what each may be, and what they were called before.

mod defaults;
mod file;
mod old_names;
mod resolved;
