//! The layer, for tower and so for axum.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum_core::response::{IntoResponse as _, Response};
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::guard::Guard;
use crate::claims::Claims;
use crate::error::Error;

/// A layer that lets requests through which carry a good access token, and puts its [`Claims`] into their extensions.
#[derive(Clone, Debug)]
pub struct RequireToken {
    guard: Guard,
    is_optional: bool,
}

/// What [`RequireToken`] makes of a service.
#[derive(Clone, Debug)]
pub struct TokenRequired<S> {
    layer: RequireToken,
    inner: S,
}

impl RequireToken {
    /// A layer that verifies with this guard, or with a verifier of either kind.
    #[must_use]
    pub fn new(guard: impl Into<Guard>) -> Self {
        Self { guard: guard.into(), is_optional: false }
    }

    /// Lets requests without a token through as well, without claims. A bad token is refused all the same.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { is_optional: true, ..self }
    }

    async fn judge<B>(&self, request: &mut Request<B>) -> Result<(), Error> {
        // What other layers have put there was verified by others, for another guard.
        request.extensions_mut().remove::<Claims>();
        match self.guard.verify(request.headers()).await? {
            Some(claims) => {
                request.extensions_mut().insert(claims);
                Ok(())
            }
            None if self.is_optional => Ok(()),
            None => Err(Error::Missing),
        }
    }
}

impl<S> Layer<S> for RequireToken {
    type Service = TokenRequired<S>;

    fn layer(&self, inner: S) -> TokenRequired<S> {
        TokenRequired { layer: self.clone(), inner }
    }
}

impl<S, B> Service<Request<B>> for TokenRequired<S>
where
    S: Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The service that was found ready is the one to call; its copy waits for the next request.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.judge(&mut request).await {
                Ok(()) => inner.call(request).await,
                Err(error) => Ok(error.into_response()),
            }
        })
    }
}
