//! JSON schemas for what a profile takes and gives.

use serde_json::{Map, Value, json};
use sprag::audit::Severity;
use sprag::session::EndCause;

use crate::profile::{Fact, FactKind, Input, MOST_LISTED, Node, Route, TakenField, Whose};

/// What a request's body is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Json,
    /// A form has texts only.
    Form,
    /// So has one in parts, whose names stand in headers.
    Multipart,
}

/// The schema of what a template writes.
pub(super) fn node(node: &Node) -> Value {
    mixed(node, &[])
}

/// The schema of a node whose list may also have elements as `others` are.
pub(super) fn mixed(node: &Node, others: &[&Node]) -> Value {
    match node {
        Node::Constant(value) => constant(value),
        Node::Fact { fact, is_optional } => fact_schema(*fact, *is_optional),
        Node::Object(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.name.clone(), mixed(value, others))).collect();
            let required: Vec<&str> = fields
                .iter()
                .filter(|(_, node)| is_always_there(node))
                .map(|(key, _)| key.name.as_str())
                .collect();
            json!({ "type": "object", "properties": properties, "required": required })
        }
        Node::List(nodes) => {
            let mut items: Vec<Value> = nodes.iter().map(|node| mixed(node, others)).collect();
            let most = items.len();
            let least = nodes.iter().filter(|node| is_always_there(node)).count();
            let mut schema = json!({ "type": "array", "minItems": least, "maxItems": most });
            // One schema for all: where each stands is not said, since an optional one that is absent moves the others
            // up, and few readers know `prefixItems`.
            items.dedup();
            match items.pop() {
                Some(only) if items.is_empty() => schema["items"] = only,
                Some(last) => {
                    items.push(last);
                    schema["items"] = json!({ "anyOf": items });
                }
                None => {}
            }
            schema
        }
        Node::Each(item) => {
            let others = others.iter().copied().filter(|other| *other != item.as_ref());
            let kinds: Vec<Value> = std::iter::once(item.as_ref()).chain(others).map(self::node).collect();
            let items = if kinds.len() == 1 { kinds[0].clone() } else { json!({ "anyOf": kinds }) };
            json!({ "type": "array", "items": items })
        }
    }
}

/// The schema of a request's body: exactly what [`Takes::read`](crate::profile::Takes::read) lets pass.
pub(super) fn request(route: &Route, written: Written) -> Value {
    let takes = &route.takes;
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut choices = Vec::new();
    for field in takes.fields() {
        let fields = takes.fields().iter().filter(|other| other.input == field.input);
        let is_alone = !field.is_optional && fields.count() == 1;
        if is_alone {
            required.push(field.name.as_str());
        }
        properties.insert(field.name.clone(), property(route.action.account(), field, is_alone, written));
    }
    for input in Input::ALL.iter().copied().filter(|input| takes.requires(*input)) {
        let fields: Vec<&TakenField> = takes.fields().iter().filter(|field| field.input == input).collect();
        if fields.len() > 1 {
            choices.push(one_of_them(&fields));
        }
    }
    let names = [Input::Name, Input::Username, Input::Email];
    let is_named = route.action.account() != Whose::Requester;
    if is_named && !names.iter().any(|name| takes.requires(*name)) {
        let fields: Vec<&TakenField> =
            takes.fields().iter().filter(|field| names.contains(&field.input)).collect();
        choices.push(one_of_them(&fields));
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if written != Written::Json {
        // A form that has a field twice is refused, whatever the field.
        schema["additionalProperties"] = json!({ "type": "string" });
    }
    if written == Written::Multipart {
        schema["propertyNames"] = json!({ "pattern": "^[^\\u0000-\\u001f\\u007f\\\\]*$" });
    }
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    match choices.len() {
        0 => {}
        1 => schema["anyOf"] = choices.remove(0),
        _ => schema["allOf"] = choices.into_iter().map(|choice| json!({ "anyOf": choice })).collect(),
    }
    schema
}

/// The schema of what stands in the query; the empty text counts as absent.
pub(super) fn in_query(input: Input) -> Value {
    let names = |names: Vec<&str>| json!({ "type": "string", "enum": names });
    match input {
        Input::Limit => json!({ "type": "integer", "minimum": 1, "maximum": MOST_LISTED }),
        Input::By => names(vec!["day", "week", "month"]),
        Input::Severity => names(Severity::ALL.iter().map(|severity| severity.name()).collect()),
        _ => json!({ "type": "string" }),
    }
}

/// `null` and the empty text count as absent.
fn property(whose: Whose, field: &TakenField, is_needed: bool, written: Written) -> Value {
    let may_be_null = !is_needed && written == Written::Json;
    let kind = if may_be_null { json!(["string", "null"]) } else { json!("string") };
    let mut schema = json!({ "type": kind, "description": field.input.about() });
    if field.input.is_flag() {
        let mut values = vec![json!("true"), json!("false"), json!("")];
        if written == Written::Json {
            schema["type"] = json!(["boolean", "string", "null"]);
            values.extend([json!(true), json!(false), Value::Null]);
        }
        schema["enum"] = values.into();
        return schema;
    }
    if is_needed {
        schema["minLength"] = 1.into();
    }
    if field.input == Input::ExpiresIn && written == Written::Json {
        schema["type"] =
            if may_be_null { json!(["integer", "string", "null"]) } else { json!(["integer", "string"]) };
        schema["minimum"] = 0.into();
    }
    match field.input {
        Input::Password | Input::CurrentPassword | Input::NewPassword => {
            schema["format"] = "password".into();
            schema["maxLength"] = sprag::policy::MAX_PASSWORD_BYTES.into();
        }
        Input::FullName | Input::GivenName | Input::FamilyName | Input::Role => {
            schema["maxLength"] = sprag::account::MAX_PARTICULAR_BYTES.into();
        }
        Input::SessionId => schema["format"] = "uuid".into(),
        Input::Transport if may_be_null => schema["enum"] = json!(["body", "cookie", "", null]),
        Input::Transport => schema["enum"] = json!(["body", "cookie", ""]),
        _ => {}
    }
    if let Some(pattern) = pattern(field.input).filter(|_| whose == Whose::New) {
        let pattern = if is_needed { pattern } else { format!("({pattern})?") };
        schema["pattern"] = format!("^{pattern}$").into();
    }
    let is_chosen = whose == Whose::New && field.input == Input::Password;
    if is_chosen || field.input == Input::NewPassword {
        schema["minLength"] = sprag::policy::MIN_PASSWORD_CHARS.into();
    }
    schema
}

/// What can be a name, as far as a pattern can tell; [`Name`](sprag::account::Name) also counts bytes.
fn pattern(input: Input) -> Option<String> {
    let username = format!("{PLAIN}+( +{PLAIN}+)*");
    let label = format!("{LETTER}+(-+{LETTER}+)*");
    let email = format!("{PLAIN}+@{label}(\\.{label})*");
    match input {
        Input::Username => Some(format!("\\s*{username}\\s*")),
        Input::Email => Some(format!("\\s*{email}\\s*")),
        Input::Name => Some(format!("\\s*({username}|{email})\\s*")),
        Input::FullName | Input::GivenName | Input::FamilyName | Input::Role => {
            Some("[^\\u0000-\\u001f\\u007f-\\u009f]+".to_owned())
        }
        _ => None,
    }
}

/// A character that a name may have: no `@`, white space, control or bidi character, nor another that nobody sees. Some of
/// the rarest are refused, too, which no pattern of every language can tell.
const PLAIN: &str =
    "[^@\\s\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]";

/// A letter or digit that the label of a domain may have, of any script.
const LETTER: &str =
    "[^\\s\\u0000-\\u002f\\u003a-\\u0040\\u005b-\\u0060\\u007b-\\u00b6\\u061c\\u200b-\\u206f\\ufeff]";

fn one_of_them(fields: &[&TakenField]) -> Value {
    let brings = |field: &&TakenField| {
        let mut there = Map::new();
        there.insert(field.name.clone(), json!({ "type": "string", "minLength": 1 }));
        json!({ "properties": there, "required": [field.name] })
    };
    fields.iter().map(brings).collect()
}

fn is_always_there(node: &Node) -> bool {
    !matches!(node, Node::Fact { is_optional: true, .. })
}

fn constant(value: &Value) -> Value {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    json!({ "type": kind, "const": value })
}

fn fact_schema(fact: Fact, is_optional: bool) -> Value {
    if fact == Fact::Code {
        return json!({ "$ref": "#/components/schemas/RefusalCode" });
    }
    let (kind, format) = match fact.kind() {
        FactKind::Text => ("string", None),
        FactKind::Number => ("integer", None),
        FactKind::NumberOrText => {
            return json!({ "type": ["integer", "string"], "description": fact.about() });
        }
        FactKind::Flag => ("boolean", None),
        FactKind::Texts => ("array", None),
        FactKind::Time => ("string", Some("date-time")),
        FactKind::Id => ("string", Some("uuid")),
    };
    let may_be_null = fact.may_be_absent() && !is_optional;
    let mut schema = json!({ "type": kind, "description": fact.about() });
    if may_be_null {
        schema["type"] = json!([kind, "null"]);
    }
    if fact.kind() == FactKind::Texts {
        schema["items"] = json!({ "type": "string" });
    }
    if let Some(format) = format {
        schema["format"] = format.into();
    }
    if fact == Fact::Cause {
        let mut causes: Vec<Value> = EndCause::ALL.iter().map(|cause| cause.name().into()).collect();
        causes.extend(may_be_null.then_some(Value::Null));
        schema["enum"] = causes.into();
    }
    schema
}
