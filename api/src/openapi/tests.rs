use super::*;

fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().map(|(method, operation)| (path.clone(), method, operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "$ref") {
                    Some(path) => found.push(path.to_owned()),
                    None => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_route_is_in_the_document_once() {
    let document = document();
    let ids: Vec<String> = operations(&document)
        .iter()
        .map(|(.., operation)| operation["operationId"].as_str().unwrap().to_owned())
        .collect();
    for route in routes::all() {
        assert_eq!(ids.iter().filter(|id| *id == route.id).count(), 1, "{}", route.id);
        let bodied = bodies::of_operation(route.id).is_some();
        assert_eq!(
            route.body.is_some(),
            bodied,
            "{}: an example and a schema of its body, or neither",
            route.id
        );
    }
    assert_eq!(ids.len(), routes::all().len() + 6);
}

#[test]
fn every_operation_says_what_it_does() {
    for (path, method, operation) in operations(&document()) {
        for field in ["summary", "description"] {
            assert!(!operation[field].as_str().unwrap().is_empty(), "{method} {path} has no {field}");
        }
        assert!(
            operation["responses"].as_object().unwrap().len() > usize::from(path.starts_with("/v1")),
            "{path}"
        );
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for path in found {
        assert!(document.pointer(path.trim_start_matches('#')).is_some(), "{path}");
    }
}
