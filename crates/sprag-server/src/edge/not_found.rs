//! What is said where nothing is: in the shape of the profile whose routes are nearest, for its clients may ask here.

use std::sync::Arc;

use axum::response::Response;

use super::refusal::Problem;
use super::response;
use crate::profile::{Profile, RefusalShape, Route};

/// How each profile says no, with the folder in which all its routes lie.
#[derive(Clone)]
pub(crate) struct NotFound(Arc<[(String, RefusalShape)]>);

impl NotFound {
    pub(crate) fn new(profiles: &[Profile]) -> Self {
        Self(
            profiles
                .iter()
                .map(|profile| (folder(&profile.wire.routes), profile.wire.refusal.clone()))
                .collect(),
        )
    }

    pub(crate) fn answer(&self, path: &str) -> Response {
        self.refused(path, Problem::NotFound)
    }

    /// A refusal at this path, whatever it is.
    pub(crate) fn refused(&self, path: &str, problem: Problem) -> Response {
        let around = self.0.iter().filter(|(folder, _)| path.starts_with(folder.as_str()));
        let nearest = around.max_by_key(|(folder, _)| folder.len());
        // Where there is one profile only, nobody else is asked.
        let only = if self.0.len() == 1 { self.0.first() } else { None };
        match nearest.or(only) {
            Some((_, shape)) => response::refused(shape, problem),
            None => response::plainly_refused(problem),
        }
    }
}

/// `/api/auth/` of `/api/auth/login` and `/api/auth/token/refresh`.
fn folder(routes: &[Route]) -> String {
    let mut paths = routes.iter().map(|route| route.path.as_str());
    let first = paths.next().unwrap_or_default();
    let common = paths.fold(first, |common, path| {
        let same = common.bytes().zip(path.bytes()).take_while(|(a, b)| a == b).count();
        &common[..same]
    });
    common[..common.rfind('/').map_or(0, |slash| slash + 1)].to_owned()
}
