//! An answer's body on its way out: in small parts, and counted until the last of them is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body as _, Frame, SizeHint};

use crate::edge::connections::{Connection, Unsent};
use crate::edge::response::IsShared;

/// How much is handed on at once. Whoever takes less than that for as long as an answer may wait makes no progress.
const PART_BYTES: usize = 4 * 1024;

/// The body of an answer.
pub(super) struct Outgoing {
    inner: Body,
    /// What has been made and is not handed on yet.
    rest: Bytes,
    /// Nothing where there is nothing to send.
    unsent: Option<Arc<Unsent>>,
    /// Whether what is made later counts by itself: how much it will be was not known at first.
    is_counted_later: bool,
}

impl Outgoing {
    /// The answer, counted for its connection.
    pub(super) fn of(answer: Response<Body>, connection: &Arc<Connection>) -> Response<Self> {
        let is_shared = answer.extensions().get::<IsShared>().is_some();
        answer.map(|inner| {
            let size = inner.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
            let own_bytes = if is_shared { 0 } else { size.unwrap_or(0) };
            let unsent = (!inner.is_end_stream()).then(|| connection.answer(own_bytes));
            let is_counted_later = !is_shared && size.is_none();
            Self { inner, rest: Bytes::new(), unsent, is_counted_later }
        })
    }

    fn part(&mut self) -> Bytes {
        if let Some(unsent) = &self.unsent {
            unsent.gets_on();
        }
        self.rest.split_to(self.rest.len().min(PART_BYTES))
    }
}

impl hyper::body::Body for Outgoing {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(self.part()))));
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Pending => {
                if let Some(unsent) = &self.unsent {
                    unsent.pauses();
                }
                return Poll::Pending;
            }
            over => return over,
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
        };
        let more = if self.is_counted_later { data.len() } else { 0 };
        self.rest = match &self.unsent {
            Some(unsent) => unsent.holding(data, more),
            None => data,
        };
        Poll::Ready(Some(Ok(Frame::data(self.part()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
