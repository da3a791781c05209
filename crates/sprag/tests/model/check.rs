//! The model as stateright sees it: its promises, and which states it must reach to be worth anything.

use sprag::ratchet::Row;
use sprag::session::EndCause;
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::model::setting::Setting;
use crate::model::world::{Action, At, Broken, World};

/// A promise, by the name under which the checker reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promise {
    OneSuccessor,
    WindowAnchored,
    SpentIsReuse,
    EndIsFinal,
    ThiefFound,
    HonestSpared,
}

/// Something that must be able to happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    Retried,
    Kept,
    SameRequest,
    FastForwarded,
    ReuseFound,
    LockstepFound,
    IdleFound,
    LoggedOut,
    Missed,
    NotNow,
    TwinSpared,
    Contested,
}

/// A question to the checker, and what it should answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) setting: Setting,
    /// The promise that does not hold here; none if all do.
    pub(crate) breaks: Option<Promise>,
    pub(crate) sights: &'static [Sight],
}

/// What the checker found.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) states: usize,
    pub(crate) depth: usize,
    pub(crate) broken: Vec<&'static str>,
    pub(crate) unseen: Vec<&'static str>,
    /// The steps to a broken promise.
    pub(crate) story: String,
}

impl Question {
    /// Looks at every reachable state, or stops at the first broken promise.
    pub(crate) fn ask(self, threads: usize) -> Answer {
        let builder = self.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
        let checker = builder.spawn_bfs().join();
        let found = checker.discoveries();
        let (mut broken, mut unseen, mut story) = (Vec::new(), Vec::new(), String::new());
        for property in self.properties() {
            match (property.expectation.discovery_is_failure(), found.get(property.name)) {
                (true, Some(path)) => {
                    broken.push(property.name);
                    let steps = path.clone().into_vec();
                    story = steps.iter().map(|(world, action)| told(world, action.as_ref())).collect();
                }
                (false, None) => unseen.push(property.name),
                _ => {}
            }
        }
        Answer { states: checker.unique_state_count(), depth: checker.max_depth(), broken, unseen, story }
    }

    /// Asks, and panics if the answer is not the expected one.
    pub(crate) fn settle(self, threads: usize) -> Answer {
        let answer = self.ask(threads);
        if let Some(promise) = self.breaks {
            assert!(answer.broken.contains(&promise.name()), "{}: found no way to break that", self.name);
        } else {
            assert!(answer.broken.is_empty(), "{}: {:?}, by\n{}", self.name, answer.broken, answer.story);
            assert!(answer.unseen.is_empty(), "{}: never reached {:?}", self.name, answer.unseen);
        }
        answer
    }
}

fn told(world: &World, action: Option<&Action>) -> String {
    let next = action.map_or(String::new(), |action| format!("    {action:?}\n"));
    format!("{}\n{next}", world.brief())
}

impl Model for Question {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.setting)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(&self.setting, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.step(action, &self.setting);
        (next != *world).then_some(next)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.row.generation <= self.setting.generations
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let promises = Promise::ALL.map(Promise::property);
        promises.into_iter().chain(self.sights.iter().map(|sight| sight.property())).collect()
    }
}

impl Promise {
    const ALL: [Self; 6] = [
        Self::OneSuccessor,
        Self::WindowAnchored,
        Self::SpentIsReuse,
        Self::EndIsFinal,
        Self::ThiefFound,
        Self::HonestSpared,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneSuccessor => "a generation has one successor",
            Self::WindowAnchored => "a spent token is answered in its window only",
            Self::SpentIsReuse => "any other spent token is reuse",
            Self::EndIsFinal => "nothing succeeds after an acknowledged end",
            Self::ThiefFound => "a thief out of step is found at the victim's next refresh",
            Self::HonestSpared => "no honest client is taken for a thief",
        }
    }

    fn property(self) -> Property<Question> {
        let name = self.name();
        match self {
            Self::OneSuccessor => Property::always(name, |_, world| is_kept(world, Broken::OneSuccessor)),
            Self::WindowAnchored => Property::always(name, |_, world| is_kept(world, Broken::WindowAnchored)),
            Self::SpentIsReuse => Property::always(name, |_, world| is_kept(world, Broken::SpentIsReuse)),
            Self::EndIsFinal => Property::always(name, |_, world| is_kept(world, Broken::EndIsFinal)),
            Self::ThiefFound => Property::always(name, |_, world| is_kept(world, Broken::ThiefFound)),
            Self::HonestSpared => {
                Property::always(name, |_, world: &World| !world.is_over_for_honest_clients())
            }
        }
    }
}

fn is_kept(world: &World, broken: Broken) -> bool {
    world.broken != Some(broken)
}

impl Sight {
    fn property(self) -> Property<Question> {
        match self {
            Self::Retried => Property::sometimes("a retry is answered", |_, world| {
                is_answered(world, Row::JustSpent, true)
            }),
            Self::Kept => {
                Property::sometimes("a token is kept", |_, world| is_answered(world, Row::JustTurned, true))
            }
            Self::SameRequest => Property::sometimes("a late request is answered again", |_, world| {
                is_answered(world, Row::SameRequest, true)
            }),
            Self::FastForwarded => Property::sometimes("a token ahead is followed", |_, world| {
                is_answered(world, Row::Ahead, true)
            }),
            Self::ReuseFound => {
                Property::sometimes("reuse is found", |_, world| is_ended(world, EndCause::Reuse))
            }
            Self::LockstepFound => {
                Property::sometimes("lockstep is found", |_, world| is_ended(world, EndCause::Lockstep))
            }
            Self::IdleFound => {
                Property::sometimes("a session idles out", |_, world| is_ended(world, EndCause::Idle))
            }
            Self::LoggedOut => Property::sometimes("an ended session is asked for", |_, world| {
                is_ended(world, EndCause::Logout) && is_answered(world, Row::Ended, false)
            }),
            Self::Missed => Property::sometimes("a write misses", |_, world: &World| {
                world.messages().any(|message| message.misses > 0)
            }),
            Self::TwinSpared => {
                Property::sometimes("a late twin is refused and nothing ends", |_, world: &World| {
                    world.row.is_live() && is_answered(world, Row::LongSpent, false)
                })
            }
            Self::Contested => Property::sometimes("a generation is contested", |_, world: &World| {
                world.row.contested.is_some()
            }),
            Self::NotNow => {
                Property::sometimes("a spent token is refused and nothing ends", |_, world: &World| {
                    world.row.is_live() && is_answered(world, Row::JustSpent, false)
                })
            }
        }
    }
}

fn is_answered(world: &World, by: Row, is_success: bool) -> bool {
    world.messages().any(|message| match message.at {
        At::Answered(given, row) => row == by && given.is_some() == is_success,
        At::Asked | At::Read(_) => false,
    })
}

fn is_ended(world: &World, cause: EndCause) -> bool {
    world.row.ended == Some(cause.name())
}
