//! The schema of a flow file, beside the language in `mapping::grammar`. Invariant: what depends on
//! offers and on the file's own names is left to `leadlink check`.

use super::{duration, head, plain, texts};
use serde_json::{Value, json};

pub fn schema() -> Value {
    let mut schema = head(
        "leadlink flow",
        "On which event, after what delay, which facts, which steps, which test cases. \
         `leadlink offers CONNECTION` shows what a flow may use; `leadlink check` runs the cases",
    );
    schema["properties"] = json!({
        "flow": flow(),
        "settings": settings(),
        "facts": facts(),
        "let": lets(),
        "step": { "description": "What is done, in this order", "type": "array", "minItems": 1,
                  "items": step() },
        "case": { "description": "Tests that `leadlink check` runs", "type": "array",
                  "items": case() },
    });
    schema["required"] = json!(["flow", "step"]);
    schema["additionalProperties"] = json!(false);
    schema["$defs"] = definitions();
    schema
}

fn definitions() -> Value {
    json!({
        "phrase": {
            "description": "A literal, \"{{ one expression }}\" (keeps its type), text around \
                            expressions, or a list or table of these. What is empty is left out",
            "anyOf": [
                { "type": ["string", "number", "boolean"] },
                { "type": "array", "items": { "$ref": "#/$defs/phrase" } },
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/phrase" } },
            ],
        },
        "expression": {
            "description": "An expression without braces: facts.order.status_group in ['complete']",
            "type": "string", "minLength": 1,
        },
        "values": { "type": "object" },
    })
}

fn flow() -> Value {
    json!({
        "description": "What starts it",
        "type": "object",
        "properties": {
            "name": {
                "description": "The flow's name: small Latin letters, digits and `-`",
                "type": "string", "pattern": "^[a-z0-9-]+$",
            },
            "title": { "description": "For people", "type": "string" },
            "on": on(),
            "merge": about(
                json!({ "type": "string" }),
                "Events with the same value share one decision: {{ event.id }}",
            ),
            "delay": about(duration(), "From the registration of the lead to the decision"),
            "delay_from": about(
                expression(),
                "A time of the facts from which the delay counts too: facts.order.statusUpdatedAt",
            ),
            "settle": about(
                duration(),
                "Every merged event starts the delay anew, at most so long after the first",
            ),
            "max_age": with_default(
                about(duration(), "A lead registered longer ago is skipped"),
                "7d",
            ),
            "requires": about(
                expression(),
                "Without it the lead is incomplete, and decided when a fuller arrival of it comes",
            ),
            "lane": about(
                texts(),
                "Jobs of one lane are decided one after another: {{ event.phone }}",
            ),
            "fact_lane": about(
                texts(),
                "A lane that only the facts tell, taken before the first step: \
                 {{ 'customer:' ~ facts.customer.id if facts.customer }}",
            ),
        },
        "required": ["name", "on"],
        "additionalProperties": false,
    })
}

fn on() -> Value {
    json!({
        "description": "The event that it listens to",
        "type": "object",
        "properties": {
            "from": {
                "description": "The role of the connection that reports it",
                "type": "string", "examples": ["calls"],
            },
            "event": {
                "description": "The kind of event; `leadlink offers CONNECTION` lists them",
                "type": "string",
                "examples": ["call.finished", "call.started", "request.created", "chat.created"],
            },
            "when": about(expression(), "An event for which this does not hold makes no job"),
        },
        "required": ["from", "event"],
        "additionalProperties": false,
    })
}

fn settings() -> Value {
    json!({
        "description": "Constants, settings.NAME; the configuration may override them by \
                        [flows.FLOW.settings]",
        "type": "object",
        "propertyNames": name(),
        "additionalProperties": { "anyOf": [plain(), {
            "type": "object",
            "properties": {
                "value": about(plain(), "What it is where nobody says otherwise"),
                "one_of": about(texts(), "All that it may be"),
                "is": { "description": "What it must be", "enum": ["duration", "count"] },
            },
            "required": ["value"],
            "additionalProperties": false,
        }] },
    })
}

/// Which of a role's connections.
fn of() -> Value {
    about(
        json!({ "type": "string" }),
        "Which of the role's connections: the one whose account this is, else the first",
    )
}

fn facts() -> Value {
    json!({
        "description": "Questions, asked when deciding; their answers are facts.NAME",
        "type": "object",
        "propertyNames": name(),
        "additionalProperties": {
            "type": "object",
            "properties": { "ask": target("Role and query", "crm.customer"), "of": of() },
            "required": ["ask"],
            "additionalProperties": { "$ref": "#/$defs/phrase" },
        },
    })
}

fn lets() -> Value {
    json!({
        "description": "Names for expressions; a skip shows the name as its reason",
        "type": "object",
        "propertyNames": name(),
        "additionalProperties": expression(),
    })
}

fn step() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": about(name(), "A name that other steps and the reasons use"),
            "do": target("Role and operation", "crm.order.create"),
            "of": of(),
            "each": about(
                json!({ "type": "string" }),
                "A list: the step is repeated for each element, which is `item`",
            ),
            "when": about(expression(), "Done only where this holds"),
            "unless": about(expression(), "Not done where this holds; shown as the reason"),
            "needs": about(
                texts(),
                "Steps that must not have been refused; by default all before it",
            ),
            "if_refused": about(
                json!({ "type": "string" }),
                "Done only if this step was refused, which is dealt with then",
            ),
            "within": about(
                json!({ "type": "string" }),
                "How long after the event's registration it may be sent; refused later",
            ),
            "with": {
                "description": "The operation's inputs",
                "type": "object", "additionalProperties": { "$ref": "#/$defs/phrase" },
            },
        },
        "required": ["name", "do"],
        "additionalProperties": false,
    })
}

fn case() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "description": "One sentence: what this case shows", "type": "string" },
            "event": {
                "description": "A sample file (samples/call-finished.json) or the event's fields",
                "anyOf": [{ "type": "string" }, { "type": "object" }],
            },
            "set": values("Fields of the event, laid over the sample"),
            "settings": values("Settings, laid over those of the flow"),
            "facts": values("By fact name; one that is not named is none"),
            "done": values("Outputs of steps that an earlier decision did, by step name"),
            "expect": expect(),
        },
        "required": ["name", "event", "expect"],
        "additionalProperties": false,
    })
}

fn expect() -> Value {
    let absent = json!({
        "description": "Inputs that must be absent, by step: { create = [\"phone\"] }",
        "type": "object", "additionalProperties": texts(),
    });
    json!({
        "description": "What must be decided",
        "type": "object",
        "properties": {
            "steps": about(texts(), "Names of the planned steps, in order"),
            "because": about(texts(), "Each must be among the reasons: \"update: marked\""),
            "incomplete": {
                "description": "The event must be found incomplete", "type": "boolean",
            },
            "until": {
                "description": "The time until which the decision must be put off (delay_from)",
                "type": "string", "format": "date-time",
            },
            "with": values("Inputs that must be there, by step"),
            "without": absent,
            "asks": values("Inputs of queries that must be asked, by fact"),
            "asks_without": {
                "description": "Inputs of queries that must be absent, by fact",
                "type": "object", "additionalProperties": texts(),
            },
        },
        "additionalProperties": false,
    })
}

/// `role.name`.
fn target(what: &str, example: &str) -> Value {
    json!({
        "description": format!("{what}, as `leadlink offers CONNECTION` has them: {example}"),
        "type": "string", "pattern": "^[^.]+\\..+$", "examples": [example],
    })
}

/// A name as expressions can spell it.
fn name() -> Value {
    json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" })
}

fn expression() -> Value {
    json!({ "$ref": "#/$defs/expression" })
}

fn values(text: &str) -> Value {
    about(json!({ "$ref": "#/$defs/values" }), text)
}

fn about(mut schema: Value, text: &str) -> Value {
    schema["description"] = text.into();
    schema
}

fn with_default(mut schema: Value, default: &str) -> Value {
    schema["default"] = default.into();
    schema
}
