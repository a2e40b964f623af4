//! The `OpenAPI` document as a contract: every answer that any HTTP test gets is held to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::http::Reply;

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

struct Contract {
    document: Value,
    validators: Mutex<BTreeMap<String, &'static Validator>>,
}

/// Holds an answer to the document: the status, the headers, the kind of content, the body. Pages for people are no
/// part of it.
///
/// # Panics
/// Where the answer is not as documented.
#[track_caller]
pub fn check(method: &Method, target: &str, reply: &Reply) {
    let path = target.split('?').next().unwrap_or_default();
    // The tracking API stands under a prefix too.
    let path = path.strip_prefix("/segment").unwrap_or(path);
    let page = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if path.starts_with("/docs") || path == "/pages.css" || (page && !path.starts_with("/v1")) {
        return;
    }
    let problem = reply.header("content-type") == Some("application/problem+json");
    let Some((template, operation)) = CONTRACT.operation(method, path) else {
        assert!(problem, "{method} {path} is not in the document, and answered {}", reply.text);
        return;
    };
    let status = reply.status.as_str();
    let answer = &operation["responses"][status];
    assert!(
        !answer.is_null(),
        "{method} {template} answered {status}, which is not documented: {}",
        reply.text
    );
    for name in answer["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
        let sometimes = ["Idempotency-Replayed", "Roster-Next-Cursor"].contains(&name.as_str());
        assert!(sometimes || reply.header(name).is_some(), "{method} {template} {status} has no {name}");
    }
    let Some(contents) = answer["content"].as_object() else {
        assert_eq!(reply.text, "", "{method} {template} {status} has a body");
        return;
    };
    let given = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    assert!(contents.contains_key(given), "{method} {template} {status} is {given:?}");
    let at = format!("{method} {template} {status} {given}");
    let fits = |body: &Value| {
        let errors = misfits(&contents[given]["schema"], body);
        assert!(
            errors.is_empty(),
            "{at} is not as documented (is docs/openapi.json of `cargo xtask openapi`?): {errors:?} in {}",
            reply.text
        );
    };
    match given {
        "application/x-ndjson" => {
            let line =
                |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{at} is no JSON: {line}"));
            reply.text.lines().map(line).for_each(|body: Value| fits(&body));
        }
        given if given.ends_with("json") => fits(&reply.body),
        "text/csv" => {
            let head = reply.text.split("\r\n").next().unwrap_or_default();
            let columns = CONTRACT.columns(operation);
            // Rows whose columns the request names have none of their own.
            // By when they were seen last, members say when that was.
            let seen = target.contains("sort=") && head == format!("{columns},last_seen_at");
            assert!(columns.is_empty() || head == columns || seen, "{at}: the columns of its rows");
        }
        _ => {}
    }
}

/// How a value differs from a schema of the document; empty where it fits.
pub fn misfits(schema: &Value, value: &Value) -> Vec<String> {
    CONTRACT.validator(schema).iter_errors(value).map(|error| error.to_string()).collect()
}

impl Contract {
    /// As it is kept in the repository, which is checked to be what the server gives out: to make it anew takes longer than
    /// many a test.
    fn read() -> Self {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let document = std::fs::read_to_string(kept).expect("the document is kept").parse();
        Self { document: document.expect("the document is JSON"), validators: Mutex::default() }
    }

    /// The operation that a path leads to.
    fn operation(&self, method: &Method, path: &str) -> Option<(&String, &Value)> {
        let paths = self.document["paths"].as_object()?;
        let fits = |template: &str| {
            let (mut wanted, mut given) = (template.split('/'), path.split('/'));
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    (Some(wanted), Some(given)) if wanted.starts_with('{') || wanted == given => {}
                    _ => return false,
                }
            }
        };
        let named = method.as_str().to_ascii_lowercase();
        let mut fitting =
            paths.iter().filter(|(template, methods)| fits(template) && methods.get(&named).is_some());
        let (template, methods) = fitting.next()?;
        Some((template, &methods[&named]))
    }

    /// The fields of the rows of a list or an export, in their order.
    fn columns(&self, operation: &Value) -> String {
        let contents = operation["responses"]["200"]["content"].as_object().into_iter().flatten();
        let named = |schema: &Value| {
            let path = schema["$ref"].as_str().unwrap_or_default();
            self.document.pointer(path.trim_start_matches('#')).cloned().unwrap_or_default()
        };
        let schemas = contents.filter(|(kind, _)| kind.ends_with("json")).map(|(_, it)| named(&it["schema"]));
        let rows = schemas.map(|it| match it["properties"]["data"]["items"] {
            Value::Null => it,
            ref items => named(items),
        });
        let fields = rows.filter_map(|row| row["required"].as_array().cloned()).flatten();
        fields.filter_map(|name| name.as_str().map(str::to_owned)).collect::<Vec<_>>().join(",")
    }

    fn validator(&self, schema: &Value) -> &'static Validator {
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(schema.to_string()).or_insert_with(|| {
            let mut components = json!({});
            self.gather(schema, &mut components);
            let whole = json!({"allOf": [schema], "components": components});
            Box::leak(Box::new(jsonschema::draft202012::new(&whole).expect("a schema of the document")))
        })
    }

    /// The components that a schema leads to.
    fn gather(&self, schema: &Value, components: &mut Value) {
        match schema {
            Value::Object(fields) => fields.values().for_each(|value| self.gather(value, components)),
            Value::Array(values) => values.iter().for_each(|value| self.gather(value, components)),
            _ => {}
        }
        let named = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/"));
        let Some((kind, name)) = named.and_then(|path| path.split_once('/')) else { return };
        if components[kind][name].is_null() {
            let component = &self.document["components"][kind][name];
            components[kind][name] = component.clone();
            self.gather(component, components);
        }
    }
}
