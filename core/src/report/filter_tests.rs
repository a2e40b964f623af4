use super::*;

fn now() -> Timestamp {
    "2026-05-10T00:00:00Z".parse().unwrap()
}

fn holds(filter: &Value, field: &str, cell: &Cell) -> bool {
    let filter = Filter::read(ReportKind::Accounts, filter, "/filter").unwrap();
    filter.holds(&mut |asked| if asked.to_string() == field { cell.clone() } else { Cell::Nothing }, now())
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better so")]
fn test(op: &str, value: Value) -> Value {
    json!({"field": "traits.x", "op": op, "value": value})
}

#[test]
fn t5_each_operator_means_one_thing() {
    let text = |text: &str| Cell::Text(text.to_owned());
    let list = Cell::json(Some(&json!(["a", 1])));
    for (op, value, cell, expected) in [
        ("eq", json!("pro"), text("pro"), true),
        ("eq", json!("pro"), text("Pro"), false),
        ("eq", json!(1), Cell::count(1), true),
        ("eq", json!("1"), Cell::count(1), false),
        ("eq", Value::Null, Cell::Nothing, true),
        ("ne", json!("pro"), Cell::Nothing, true),
        ("lt", json!(2), Cell::count(1), true),
        ("lt", json!(2), Cell::Nothing, false),
        ("lte", json!(2), Cell::count(2), true),
        ("gt", json!("b"), text("C"), true),
        ("gte", json!(3), text("9"), false),
        ("in", json!(["a", 7]), Cell::count(7), true),
        ("in", json!(["a", 7]), text("7"), false),
        ("contains", json!("RO"), text("pro"), true),
        ("contains", json!(1), list.clone(), true),
        ("contains", json!("1"), list, false),
        ("starts_with", json!("P"), text("pro"), true),
        ("exists", Value::Null, text(""), true),
        ("missing", Value::Null, Cell::Nothing, true),
        ("before", json!("-7d"), text("2026-05-02T00:00:00Z"), true),
        ("before", json!("-7d"), text("2026-05-04T00:00:00Z"), false),
        ("before", json!("-7d"), Cell::Nothing, false),
        ("after", json!("2026-05-01T00:00:00Z"), text("2026-05-02"), false),
    ] {
        assert_eq!(holds(&test(op, value.clone()), "traits.x", &cell), expected, "{op} {value} {cell:?}");
    }
    let filter =
        json!({"and": [{"not": test("eq", json!(1))}, {"or": [test("exists", Value::Null), {"and": []}]}]});
    assert!(holds(&filter, "traits.x", &Cell::count(2)));
    assert!(!holds(&filter, "traits.x", &Cell::count(1)));
}

#[test]
fn t5_what_is_not_known_yet_is_never_held_against_a_row() {
    let (known, open) = (
        |yes: bool| test("eq", json!(if yes { "pro" } else { "free" })),
        |text: &str| json!({"field": "owner.email", "op": "eq", "value": text}),
    );
    for (filter, expected) in [
        (json!({"and": [open("a@example.com"), known(false)]}), Some(false)),
        (json!({"and": [open("a@example.com"), known(true)]}), None),
        (json!({"or": [open("a@example.com"), known(true)]}), Some(true)),
        (json!({"or": [open("a@example.com"), known(false)]}), None),
        (json!({"not": open("a@example.com")}), None),
        (json!({"not": {"or": [open("a@example.com"), known(true)]}}), Some(false)),
        (json!({"and": []}), Some(true)),
        (json!({"or": []}), Some(false)),
    ] {
        let read = Filter::read(ReportKind::Accounts, &filter, "/filter").unwrap();
        let plan = Cell::Text("pro".to_owned());
        let mut cell = |field: &Field| (field.to_string() == "traits.x").then(|| plan.clone());
        assert_eq!(read.verdict(&mut cell, now()), expected, "{filter}");
        for email in [Cell::Nothing, Cell::Text("a@example.com".to_owned())] {
            let mut cell = |field: &Field| if field.is_any() { plan.clone() } else { email.clone() };
            let holds = read.holds(&mut cell, now());
            assert!(expected.is_none_or(|expected| expected == holds), "{filter}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_at_its_place() {
    let mut deep = test("exists", Value::Null);
    for _ in 0..40 {
        deep = json!({"not": deep});
    }
    for (filter, pointer) in [
        (
            json!({"and": [test("exists", Value::Null), {"field": "nope", "op": "eq", "value": 1}]}),
            "/filter/and/1/field",
        ),
        (json!({"or": [{"field": "name", "op": "like", "value": "x"}]}), "/filter/or/0/op"),
        (json!({"field": "name", "op": "eq"}), "/filter/value"),
        (json!({"field": "owner.sessions", "op": "eq", "value": "many"}), "/filter/value"),
        (json!({"field": "owner.last_seen_at", "op": "before", "value": "yesterday"}), "/filter/value"),
        (json!({"field": "name", "op": "before", "value": "-7d"}), "/filter/value"),
        (json!({"field": "name", "op": "in", "value": "x"}), "/filter/value"),
        (json!({"field": "name", "op": "exists", "value": 1}), "/filter/value"),
        (json!({"field": "name", "op": "eq", "value": "x", "case": 1}), "/filter/case"),
        (json!({"and": [], "or": []}), "/filter"),
        (json!([]), "/filter"),
    ] {
        let Err(Refusal::Invalid(errors)) = Filter::read(ReportKind::Accounts, &filter, "/filter") else {
            panic!("{filter} was taken");
        };
        assert_eq!(errors[0].pointer, pointer, "{filter}");
    }
    assert!(Filter::read(ReportKind::Accounts, &deep, "/filter").is_err());
}

#[test]
fn a_filter_reads_back_what_it_shows() {
    let filter = json!({"and": [
        {"or": [{"field": "traits.x", "op": "in", "value": ["a", 1]}, {"not": {"field": "name", "op": "missing"}}]},
        {"field": "owner.last_seen_at", "op": "before", "value": "-7d"},
        {"field": "created_at", "op": "after", "value": "2026-01-01T00:00:00.000Z"},
    ]});
    let read = Filter::read(ReportKind::Accounts, &filter, "").unwrap();
    assert_eq!(read.shown(), filter);
}

#[test]
fn relative_instants_have_a_sign_a_number_and_a_unit() {
    assert_eq!(Moment::parse("-7d"), Some(Moment(-7 * 86_400)));
    assert_eq!(Moment::parse("+2h"), Some(Moment(7_200)));
    assert_eq!(Moment::parse("now"), Some(Moment(0)));
    for bad in ["7d", "-d", "-7", "-7y", "--7d", "-9999999d", "", "-", "-7é"] {
        assert_eq!(Moment::parse(bad), None, "{bad}");
    }
}
