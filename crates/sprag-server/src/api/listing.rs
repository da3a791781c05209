//! What the administrators' listings share: how many are asked for, after which, and what a cursor is good for.

use sprag::account::{Name, NameKind};
use sprag::audit::{EventKind, Severity};
use sprag::clock::Timestamp;
use sprag::engine::{Caller, EntriesWanted, EntryPlace};
use sprag::session::{AccountId, SessionId};
use uuid::Uuid;

use super::context::RouteContext;
use crate::edge::refusal::Problem;
use crate::moment;
use crate::profile::{Input, Inputs, MOST_LISTED, TakeError};

/// How many a slice has where nothing is asked for.
const USUAL: u32 = 50;

/// What narrows a listing down: a cursor is good for the same again only.
const FILTERS: [Input; 4] = [Input::Query, Input::Kind, Input::Severity, Input::Since];

/// The slice that somebody asks for.
pub(super) struct Listing {
    /// How many at most.
    pub(super) limit: u32,
    /// What the cursor says, if one came.
    after: Option<Vec<u8>>,
    /// What a cursor of this listing is bound to: the call, who asks, about whom, and what narrows it down.
    bound_to: Vec<Vec<u8>>,
}

/// Where a listing goes on, as a cursor holds it.
pub(super) trait Position: Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Listing {
    /// # Errors
    /// The limit is none, or the cursor is none of this listing.
    pub(super) fn asked(
        context: &RouteContext,
        caller: &Caller,
        inputs: &Inputs<'_>,
        about: Option<AccountId>,
    ) -> Result<Self, Problem> {
        let limit = match inputs.get(Input::Limit) {
            None => USUAL,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit));
                limit.ok_or_else(|| wrong(context, Input::Limit, "must be a whole number from 1 to 200"))?
            }
        };
        let about = about.map_or(Vec::new(), |account| account.0.as_bytes().to_vec());
        let asker = caller.key.account.0.as_bytes().to_vec();
        let filters = FILTERS.map(|input| inputs.get(input).unwrap_or_default().as_bytes().to_vec());
        let call = context.route.action.name().as_bytes().to_vec();
        let bound_to: Vec<_> = [call, asker, about].into_iter().chain(filters).collect();
        let after = match inputs.get(Input::After) {
            None => None,
            Some(text) => {
                let opened = context.app.engine.open_cursor(&parts(&bound_to), text);
                Some(opened.ok_or_else(|| no_cursor(context))?)
            }
        };
        Ok(Self { limit, after, bound_to })
    }

    /// After what the slice begins, if not at the beginning.
    pub(super) fn after<K: Position>(&self, context: &RouteContext) -> Result<Option<K>, Problem> {
        let Some(bytes) = &self.after else { return Ok(None) };
        K::from_bytes(bytes).map(Some).ok_or_else(|| no_cursor(context))
    }

    /// The cursor of the next slice, if there is one.
    pub(super) fn next<K: Position>(&self, context: &RouteContext, place: Option<&K>) -> Option<String> {
        place.map(|place| context.app.engine.seal_cursor(&parts(&self.bound_to), &place.to_bytes()))
    }
}

fn parts(bound_to: &[Vec<u8>]) -> Vec<&[u8]> {
    bound_to.iter().map(Vec::as_slice).collect()
}

fn no_cursor(context: &RouteContext) -> Problem {
    wrong(
        context,
        Input::After,
        "is no cursor of this list; send the `next` of its last slice, with the same filters",
    )
}

/// Says what is wrong with an input, by its name on the wire.
pub(super) fn wrong(context: &RouteContext, input: Input, what: &'static str) -> Problem {
    Problem::Field(TakeError::wrong(context.field_of(&[input]), what))
}

/// Which entries of the journal somebody asks for.
pub(super) fn entries_wanted(
    context: &RouteContext,
    caller: &Caller,
    inputs: &Inputs<'_>,
    account: Option<AccountId>,
) -> Result<EntriesWanted, Problem> {
    let mut kinds = Vec::new();
    for name in inputs.get(Input::Kind).into_iter().flat_map(|text| text.split(',')) {
        let what = "must be kinds of docs/reference/events.md with commas between, as login_failed";
        kinds.push(EventKind::named(name).ok_or_else(|| wrong(context, Input::Kind, what))?);
    }
    let severity = match inputs.get(Input::Severity) {
        None => None,
        Some(text) => {
            let named = Severity::ALL.iter().copied().find(|severity| severity.name() == text);
            Some(named.ok_or_else(|| {
                wrong(context, Input::Severity, "must be \"notice\", \"warning\" or \"critical\"")
            })?)
        }
    };
    let since = match inputs.get(Input::Since) {
        None => Timestamp(i64::MIN),
        Some(text) => moment::since(text, context.app.engine.now()).ok_or_else(|| {
            let what = "must be a span as 2h or 7d, a day as 2026-11-21, or a moment as 2026-11-21T03:02:11Z";
            wrong(context, Input::Since, what)
        })?,
    };
    Ok(EntriesWanted { account, kinds, severity, since, asker: Some(caller.key.account) })
}

impl Position for AccountId {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl Position for SessionId {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.as_bytes().to_vec()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }
}

impl Position for Name {
    fn to_bytes(&self) -> Vec<u8> {
        format!("{}/{}", self.kind.name(), self.value).into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, value) = str::from_utf8(bytes).ok()?.split_once('/')?;
        Some(Self { kind: NameKind::named(kind)?, value: value.to_owned() })
    }
}

impl Position for EntryPlace {
    fn to_bytes(&self) -> Vec<u8> {
        let (at, account, number) = self;
        [&at.0.to_be_bytes(), account.0.as_bytes().as_slice(), &number.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, rest) = bytes.split_first_chunk::<8>()?;
        let (account, number) = rest.split_first_chunk::<16>()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        Some((Timestamp(i64::from_be_bytes(*at)), AccountId(Uuid::from_bytes(*account)), number))
    }
}
