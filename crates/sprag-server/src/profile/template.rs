//! What an answer looks like: JSON with holes, parsed once and written straight into a buffer.

use serde::Serialize;
use serde_json::{Map, Number, Value};
use sprag::text::write_json;
use toml::de::DeValue;

use super::error::{ProfileError, list, suggest};
use super::fact::Fact;
use super::facts::{Facts, Item, Scalar};
use super::node::Node;
use super::section::{Field, integer};
use crate::moment::rfc3339;
use crate::quoted::quoted;

/// The body of an answer, or none.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Template {
    root: Option<Node>,
}

/// What a template may name.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Facts that may stand anywhere.
    pub(super) anywhere: &'a [Fact],
    /// Facts that may stand in an array of one element, which is then repeated for each session, event or field.
    pub(super) each: &'a [Fact],
}

impl Template {
    /// No body.
    pub const NONE: Self = Self { root: None };

    /// Whether there is no body.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.root.is_none()
    }

    /// Whether the template names `fact`.
    #[must_use]
    pub fn names(&self, fact: Fact) -> bool {
        self.root.as_ref().is_some_and(|root| root.any(&|named, _| named == fact))
    }

    /// Whether the template names `fact` and writes `null` where there is none.
    #[must_use]
    pub fn insists_on(&self, fact: Fact) -> bool {
        self.root.as_ref().is_some_and(|root| root.any(&|named, is_optional| named == fact && !is_optional))
    }

    /// Whether the template names any of `facts`.
    #[must_use]
    pub fn names_any(&self, facts: &[Fact]) -> bool {
        self.root.as_ref().is_some_and(|root| root.any(&|named, _| facts.contains(&named)))
    }

    /// Writes the JSON text at the end of `out`; nothing where there is no body.
    pub fn write(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        if let Some(root) = &self.root {
            root.write(facts, None, out);
        }
    }

    /// The body as a value, for those who are not in a hurry; `null` where there is none.
    #[must_use]
    pub fn render(&self, facts: &Facts<'_>) -> Value {
        let mut out = Vec::new();
        self.write(facts, &mut out);
        serde_json::from_slice(&out).unwrap_or_default()
    }

    /// The members of the object that it is; none where it is something else.
    #[must_use]
    pub fn members(&self, facts: &Facts<'_>) -> Map<String, Value> {
        match self.render(facts) {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// The tree, for the description of the answer.
    pub(crate) fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// The element of its first array that is repeated.
    pub(super) fn element(&self) -> Option<&Node> {
        self.root.as_ref()?.element()
    }

    pub(super) fn object(fields: Vec<(String, Node)>) -> Self {
        Self {
            root: Some(Node::Object(fields.into_iter().map(|(name, node)| (name.into(), node)).collect())),
        }
    }

    /// Reads a template.
    ///
    /// # Errors
    /// It names what it may not, or what JSON cannot hold.
    pub(super) fn parse(field: &Field<'_>, scope: Scope<'_>) -> Result<Self, ProfileError> {
        Ok(Self { root: Some(node(field, scope, false)?) })
    }
}

impl Node {
    fn write<'a>(&self, facts: &Facts<'a>, item: Option<Item<'a>>, out: &mut Vec<u8>) {
        match self {
            Self::Constant(Value::String(text)) => write_json(text, out),
            Self::Constant(value) => put(out, value),
            Self::Fact { fact, .. } => match facts.value(*fact, item) {
                Some(value) => value.write(out),
                None => out.extend_from_slice(b"null"),
            },
            Self::Object(fields) => {
                let present = fields.iter().filter(|(_, node)| node.is_present(facts, item));
                between(b'{', b'}', present, out, |(key, node), out| {
                    out.extend_from_slice(&key.json);
                    node.write(facts, item, out);
                });
            }
            Self::List(nodes) => {
                let present = nodes.iter().filter(|node| node.is_present(facts, item));
                between(b'[', b']', present, out, |node, out| node.write(facts, item, out));
            }
            Self::Each(node) => {
                let shaped = |item: Option<Item<'a>>| (item.and_then(Item::own_shape).unwrap_or(node), item);
                let present = facts.items().map(shaped).filter(|(node, item)| node.is_present(facts, *item));
                between(b'[', b']', present, out, |(node, item), out| node.write(facts, item, out));
            }
        }
    }

    fn is_present<'a>(&self, facts: &Facts<'a>, item: Option<Item<'a>>) -> bool {
        match self {
            Self::Fact { fact, is_optional: true } => facts.value(*fact, item).is_some(),
            _ => true,
        }
    }
}

impl Scalar<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => write_json(text, out),
            Self::Number(number) => put(out, &number),
            Self::Flag(flag) => put(out, &flag),
            Self::Time(at) => write_json(&rfc3339(at), out),
            Self::Texts(texts) => between(b'[', b']', texts, out, |text, out| write_json(text, out)),
            Self::Id(id) => write_json(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()), out),
        }
    }
}

fn between<T>(
    open: u8,
    close: u8,
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(open);
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(close);
}

fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a buffer takes everything, and every key here is a text");
}

fn node(field: &Field<'_>, scope: Scope<'_>, is_inside: bool) -> Result<Node, ProfileError> {
    match field.value() {
        DeValue::String(text) => word(field, text, scope, is_inside),
        DeValue::Boolean(flag) => Ok(Node::Constant(Value::Bool(*flag))),
        DeValue::Integer(_) => match integer(field.value()) {
            Some(number) => Ok(Node::Constant(number.into())),
            None => Err(field.error("this number is too large")),
        },
        DeValue::Float(float) => match float.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Ok(Node::Constant(Value::Number(number))),
            None => Err(field.error("JSON has no such number")),
        },
        DeValue::Datetime(_) => Err(field.error("JSON has no dates; write a text in quotes")),
        DeValue::Table(_) => {
            let fields = field.open_section()?.fields().into_iter();
            let nodes =
                fields.map(|(key, field)| Ok((key.to_owned().into(), node(&field, scope, is_inside)?)));
            nodes.collect::<Result<_, _>>().map(Node::Object)
        }
        DeValue::Array(_) => array(&field.elements()?, scope, is_inside),
    }
}

/// An array of one element that tells of a session, event or field is repeated for each; any other is as it stands.
fn array(elements: &[Field<'_>], scope: Scope<'_>, is_inside: bool) -> Result<Node, ProfileError> {
    if let [element] = elements
        && !is_inside
        && !scope.each.is_empty()
    {
        let node = node(element, scope, true)?;
        let tells_of_item = node.any(&|fact, _| scope.each.contains(&fact));
        return Ok(if tells_of_item { Node::Each(Box::new(node)) } else { Node::List(vec![node]) });
    }
    let nodes = elements.iter().map(|element| node(element, scope, is_inside));
    nodes.collect::<Result<_, _>>().map(Node::List)
}

/// A text: a fact after `$`, a literal `$` as `$$`, `$null`, or itself.
fn word(field: &Field<'_>, text: &str, scope: Scope<'_>, is_inside: bool) -> Result<Node, ProfileError> {
    let Some(name) = text.strip_prefix('$') else {
        return Ok(Node::Constant(text.into()));
    };
    if name.starts_with('$') {
        return Ok(Node::Constant(name.into()));
    }
    if name == "null" {
        return Ok(Node::Constant(Value::Null));
    }
    let (name, is_optional) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
    let fact = Fact::named(name);
    let is_each = fact.is_some_and(|fact| scope.each.contains(&fact));
    match fact {
        Some(fact) if scope.anywhere.contains(&fact) || (is_each && is_inside) => {
            Ok(Node::Fact { fact, is_optional })
        }
        Some(_) if is_each => Err(field
            .error(format!("{} stands outside a list", quoted(text)))
            .hint("put it into an array of one element, which is repeated for each of them")),
        _ => Err(not_available(field, text, scope)),
    }
}

fn not_available(field: &Field<'_>, text: &str, scope: Scope<'_>) -> ProfileError {
    let more = scope.each.iter().filter(|fact| !scope.anywhere.contains(fact));
    let facts = scope.anywhere.iter().chain(more);
    let known: Vec<String> = facts.map(|fact| format!("${}", fact.name())).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let word = text.strip_suffix('?').unwrap_or(text);
    let hint = match known.as_slice() {
        [] => "nothing is; write constants (a text that begins with $ is written $$)".to_owned(),
        _ if Fact::named(&word[1..]).is_some() => format!("available are {}", list(&known)),
        _ => suggest(word, &known),
    };
    field.error(format!("{} is not available here", quoted(text))).hint(hint)
}
