//! What is said where nothing is: in the shape of the page whose routes are nearest, for its clients may come by.

use std::sync::Arc;

use axum::response::Response;

use super::refusal::Problem;
use super::{Page, answer};
use crate::profile::Route;

/// The pages, each with the folder in which all its routes lie.
#[derive(Clone)]
pub(super) struct Nowhere(Arc<[(String, Arc<Page>)]>);

impl Nowhere {
    pub(super) fn new(pages: &[Arc<Page>]) -> Self {
        Self(pages.iter().map(|page| (folder(&page.profile.routes), Arc::clone(page))).collect())
    }

    pub(super) fn answer(&self, path: &str) -> Response {
        let around = self.0.iter().filter(|(folder, _)| path.starts_with(folder.as_str()));
        let nearest = around.max_by_key(|(folder, _)| folder.len());
        // Where there is one page only, nobody else is asked.
        let only = if self.0.len() == 1 { self.0.first() } else { None };
        match nearest.or(only) {
            Some((_, page)) => answer::refused(&page.profile.refusal, Problem::NotFound, false),
            None => answer::plainly_refused(Problem::NotFound),
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
