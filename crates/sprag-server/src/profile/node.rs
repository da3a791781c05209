//! JSON with holes, as a tree.

use serde_json::Value;
use sprag::text::write_json;

use super::fact::Fact;

/// A value of the template.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node {
    /// What stands there.
    Constant(Value),
    /// The value of a fact; `null` where there is none, or nothing at all if it is optional.
    Fact { fact: Fact, is_optional: bool },
    /// An object, its keys in the order of the profile.
    Object(Vec<(Key, Node)>),
    /// An array.
    List(Vec<Node>),
    /// An array with this element once for each listed session, each event of the one that is explained, or each field
    /// at fault.
    Each(Box<Node>),
}

/// What a member of an object is called.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    /// As JSON, with the colon behind it: each answer has it.
    pub(super) json: Vec<u8>,
}

impl From<String> for Key {
    fn from(name: String) -> Self {
        let mut json = Vec::new();
        write_json(&name, &mut json);
        json.push(b':');
        Self { name, json }
    }
}

impl Node {
    /// The element of the first array that is repeated.
    pub(super) fn element(&self) -> Option<&Self> {
        match self {
            Self::Constant(_) | Self::Fact { .. } => None,
            Self::Object(fields) => fields.iter().find_map(|(_, node)| node.element()),
            Self::List(nodes) => nodes.iter().find_map(Self::element),
            Self::Each(node) => Some(node),
        }
    }

    pub(super) fn any(&self, wanted: &dyn Fn(Fact, bool) -> bool) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Fact { fact, is_optional } => wanted(*fact, *is_optional),
            Self::Object(fields) => fields.iter().any(|(_, node)| node.any(wanted)),
            Self::List(nodes) => nodes.iter().any(|node| node.any(wanted)),
            Self::Each(node) => node.any(wanted),
        }
    }
}
