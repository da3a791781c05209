//! From text to typed values, as several features need them. Each says, where it refuses, which text it was and what it
//! would accept.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::duration;
use crate::quoted::quoted;

/// What a parser says: a value, or what is wrong with the text.
pub(super) type Parsed<T> = Result<T, String>;

/// A duration within bounds, which are spelled as durations too.
pub(super) fn span(text: &str, least: &str, most: &str) -> Parsed<Duration> {
    let span = duration::parse(text).map_err(|wrong| format!("{wrong} ({least} to {most} here)"))?;
    if span < duration::parse(least)? || span > duration::parse(most)? {
        return Err(format!("{} is out of bounds; write {least} to {most}", quoted(text)));
    }
    Ok(span)
}

/// A whole number within bounds.
pub(super) fn count<T>(text: &str, least: T, most: T) -> Parsed<T>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<T>() {
        Ok(number) if is_number && number >= least && number <= most => Ok(number),
        _ => Err(format!("{} is not a whole number from {least} to {most}", quoted(text))),
    }
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{} is neither on nor off", quoted(text))),
    }
}

/// The path of a file.
pub(super) fn file(text: &str, example: &str) -> Parsed<PathBuf> {
    if text.trim().is_empty() {
        return Err(format!(
            "this names no file; write its path, such as {example}, or leave the setting out"
        ));
    }
    Ok(PathBuf::from(text))
}
