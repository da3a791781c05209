//! What every log-in does around what it asks for: it takes what the device brings, and hands the device what it is to keep.

use axum::http::request::Parts;
use axum::response::Response;
use sprag::authn::{Authenticated, Shown};
use sprag::engine::{OpenRequest, Requester};

use super::context::{RouteContext, device};
use crate::edge::refusal::Problem;
use crate::edge::transport::{By, Carried};
use crate::profile::Inputs;

/// A log-in that has begun.
pub(super) struct LoggingIn<'c> {
    context: &'c RouteContext,
    device: Option<String>,
    by: By,
    mark: Option<String>,
    carried: Option<Carried>,
    pub(super) requester: Requester,
    pub(super) shown: Shown,
}

impl<'c> LoggingIn<'c> {
    /// Takes what the device brings.
    ///
    /// # Errors
    /// The way asked for is none that tokens travel by here; a fault.
    pub(super) async fn begin(
        context: &'c RouteContext,
        parts: &Parts,
        inputs: &Inputs<'_>,
        mut requester: Requester,
    ) -> Result<Self, Problem> {
        let device = device(inputs);
        let by = context.way_asked_for(parts, inputs)?;
        let mark = context.new_mark(parts, by, &mut requester);
        // Cookies of two sessions say nothing of which one to replace; they must not keep anybody from logging in.
        let carried =
            if by == By::Cookie { context.cookie_token(parts).await.unwrap_or_default() } else { None };
        let shown = context.shown(parts, inputs).await?;
        Ok(Self { context, device, by, mark, carried, requester, shown })
    }

    /// Opens the session of whoever it is.
    ///
    /// # Errors
    /// The account or its device is refused; a fault.
    pub(super) async fn open(self, parts: &Parts, somebody: Authenticated) -> Result<Response, Problem> {
        let Self { context, device, by, mark, carried, requester, shown } = self;
        let request = OpenRequest {
            device: device.as_deref(),
            superseded: carried.as_ref().map(|carried| carried.text.as_str()),
            remembers_device: context.app.knows_devices,
        };
        let client = &context.served.client;
        let pair = context.app.engine.open_session(client, somebody, request, &requester).await?;
        let account = context.account_if_told(pair.account).await?;
        let mut response = context.token_pair(&pair, by, account.as_ref());
        context.mark_device(by, mark.as_deref(), &mut response);
        context.has_device_keep(parts, &shown, &pair, &mut response);
        Ok(response)
    }
}
