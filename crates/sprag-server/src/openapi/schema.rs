//! JSON schemas for what a page takes and gives.

use serde_json::{Map, Value, json};

use crate::profile::{Fact, FactKind, Input, Node, Takes};

/// The schema of what a template writes.
pub(super) fn node(node: &Node) -> Value {
    match node {
        Node::Constant(value) => constant(value),
        Node::Fact { fact, is_optional } => fact_schema(*fact, *is_optional),
        Node::Object(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|(key, value)| (key.clone(), self::node(value))).collect();
            let is_always_there = |node: &Node| !matches!(node, Node::Fact { is_optional: true, .. });
            let required: Vec<&str> = fields
                .iter()
                .filter(|(_, node)| is_always_there(node))
                .map(|(key, _)| key.as_str())
                .collect();
            json!({ "type": "object", "properties": properties, "required": required })
        }
        Node::List(nodes) => {
            let items: Vec<Value> = nodes.iter().map(self::node).collect();
            json!({ "type": "array", "prefixItems": items })
        }
        Node::Each(item) => json!({ "type": "array", "items": self::node(item) }),
    }
}

/// The schema of a request's body.
pub(super) fn request(takes: &Takes) -> Value {
    let mut properties = Map::new();
    for field in takes.fields() {
        let mut schema = json!({ "type": "string", "description": field.input.about() });
        match field.input {
            Input::Password | Input::CurrentPassword | Input::NewPassword => {
                schema["format"] = "password".into()
            }
            Input::Email => schema["format"] = "email".into(),
            Input::SessionId => schema["format"] = "uuid".into(),
            Input::Transport => schema["enum"] = json!(["body", "cookie"]),
            _ => {}
        }
        properties.insert(field.name.clone(), schema);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    let mut required = Vec::new();
    let mut choices = Vec::new();
    for input in Input::ALL.iter().copied().filter(|input| takes.requires(*input)) {
        let fields = takes.fields().iter().filter(|field| field.input == input);
        match fields.map(|field| field.name.as_str()).collect::<Vec<_>>().as_slice() {
            [field] => required.push((*field).to_owned()),
            fields => {
                let one_of_them: Vec<Value> =
                    fields.iter().map(|field| json!({ "required": [field] })).collect();
                choices.push(json!({ "anyOf": one_of_them }));
            }
        }
    }
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !choices.is_empty() {
        schema["allOf"] = choices.into();
    }
    schema
}

fn constant(value: &Value) -> Value {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    json!({ "type": kind, "const": value })
}

fn fact_schema(fact: Fact, is_optional: bool) -> Value {
    let (kind, format) = match fact.kind() {
        FactKind::Text => ("string", None),
        FactKind::Number => ("integer", None),
        FactKind::NumberOrText => ("string", None),
        FactKind::Flag => ("boolean", None),
        FactKind::Time => ("string", Some("date-time")),
        FactKind::Id => ("string", Some("uuid")),
    };
    let mut schema = json!({ "type": kind, "description": fact.about() });
    if fact.may_be_absent() && !is_optional {
        schema["type"] = json!([kind, "null"]);
    }
    if let Some(format) = format {
        schema["format"] = format.into();
    }
    schema
}
