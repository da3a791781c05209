//! What letters and pages look like and call the service, by the settings.

use crate::config::{Color, Config};
use crate::words::Brand;

/// Reads it, with the picture above each page.
///
/// # Errors
/// The picture cannot be read, or is larger than it may be.
pub(super) fn of(config: &Config) -> anyhow::Result<Brand> {
    let (color, logo) = (config.pages.color, config.pages.logo_url().map_err(anyhow::Error::msg)?);
    Ok(Brand {
        color: color.map(Color::css),
        on_color: color.map(Color::ink),
        logo,
        ..Brand::named(&config.mail.service)
    })
}
