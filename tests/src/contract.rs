//! The `OpenAPI` document as a contract: every answer that any HTTP test gets is held to it.

use std::collections::BTreeMap;
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
    if path.starts_with("/docs") {
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
        let sometimes = name == "Idempotency-Replayed";
        assert!(sometimes || reply.header(name).is_some(), "{method} {template} {status} has no {name}");
    }
    let Some(contents) = answer["content"].as_object() else {
        assert_eq!(reply.text, "", "{method} {template} {status} has a body");
        return;
    };
    let given = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    assert!(contents.contains_key(given), "{method} {template} {status} is {given:?}");
    if given.ends_with("json") {
        let at = format!("{method} {template} {status} {given}");
        let validator = CONTRACT.validator(at.clone(), &contents[given]["schema"]);
        let errors: Vec<String> = validator.iter_errors(&reply.body).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{at} is not as documented: {errors:?} in {}", reply.text);
    }
}

impl Contract {
    fn read() -> Self {
        Self { document: roster_api::openapi::document(), validators: Mutex::default() }
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

    fn validator(&self, at: String, schema: &Value) -> &'static Validator {
        let mut known = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(at).or_insert_with(|| {
            let whole = json!({"allOf": [schema], "components": self.document["components"]});
            Box::leak(Box::new(jsonschema::draft202012::new(&whole).expect("a schema of the document")))
        })
    }
}
