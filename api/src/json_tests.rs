//! Strict bodies, pointers and patches.

use super::*;

#[derive(Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    note: Patch<u32>,
    #[serde(default)]
    rows: Vec<Row>,
    kind: Option<Kind>,
    tagged: Option<Tagged>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Good,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Tagged {
    One { role: String },
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn problem(body: &str) -> (u16, String) {
    let problem = parse::<Row>(body.as_bytes()).unwrap_err();
    let pointer = problem.errors.first().map(|error| error.pointer.clone()).unwrap_or_default();
    assert!(!problem.detail.contains(" at line "), "{}", problem.detail);
    (problem.status.as_u16(), pointer)
}

fn malformed_body(body: &[u8]) {
    let problem = parse::<Value>(body).unwrap_err();
    assert_eq!((problem.status.as_u16(), problem.code), (400, "malformed"), "{body:?}");
}

#[test]
fn reads_fields() {
    let row: Row = parse(br#"{"name":"a","kind":"good","tagged":{"type":"one","role":"x"}}"#).unwrap();
    assert_eq!((row.name.as_str(), row.note, row.kind), ("a", Patch::Keep, Some(Kind::Good)));
    assert_eq!(row.tagged, Some(Tagged::One { role: "x".into() }));
    parse::<Nothing>(b"").unwrap();
}

#[test]
fn says_what_was_expected_by_the_names_that_json_has() {
    let found = r#"invalid type: string "x, expected struct Y""#;
    for (expected, words) in [
        ("u32", "a whole number from 0 to 4294967295"),
        ("struct GroupsBody", "an object"),
        ("internally tagged enum AccessBody", "an object"),
        ("a sequence", "an array"),
        ("a string", "a string"),
    ] {
        let said = in_words(&format!("{found}, expected {expected}"));
        assert_eq!(said, format!("{found}, expected {words}"));
    }
    let untold = "unknown field `a`, expected `b` or `c`";
    assert_eq!(in_words(untold), untold);
}

#[test]
fn refuses_what_is_not_strict_json() {
    let bodies: [&[u8]; 11] = [
        b"{",
        b" ",
        b"{} x",
        b"{\"a\":\"\xff\"}",
        br#"{"a":1,"a":2}"#,
        br#"{"a":[{"b":{"c":1,"\u0063":2}}]}"#,
        br#"{"a":1e400}"#,
        br#"{"a":NaN}"#,
        br#"{"a":"\ud800"}"#,
        br#"{"\udc00":1}"#,
        b"\xef\xbb\xbf{}",
    ];
    for body in bodies {
        malformed_body(body);
    }
}

#[test]
fn nests_to_64_only() {
    let nested =
        |depth: usize| format!("{}{}{}", r#"{"a":"#, "[".repeat(depth - 1) + &"]".repeat(depth - 1), "}");
    parse::<Value>(nested(64).as_bytes()).unwrap();
    malformed_body(nested(65).as_bytes());
    malformed_body("[".repeat(100_000).as_bytes());
}

#[test]
fn points_at_what_is_wrong() {
    for (body, pointer) in [
        ("{}", "/name"),
        ("[]", ""),
        ("null", ""),
        (r#"{"name":1}"#, "/name"),
        (r#"{"name":null}"#, "/name"),
        (r#"{"name":"a","x/y~z":1}"#, "/x~1y~0z"),
        (r#"{"name":"a","`, expected `":1}"#, "/`, expected `"),
        (r#"{"name":"a","rows":[{"name":"b"},{"name":"c","other":1}]}"#, "/rows/1/other"),
        (r#"{"name":"a","rows":[{"name":"b"},{}]}"#, "/rows/1/name"),
        (r#"{"name":"a","rows":[["b"]]}"#, "/rows/0"),
        (r#"{"name":"a","note":-1}"#, "/note"),
        (r#"{"name":"a","note":1.5}"#, "/note"),
        (r#"{"name":"a","kind":"bad"}"#, "/kind"),
        (r#"{"name":"a","kind":{"good":null}}"#, "/kind"),
        (r#"{"name":"a","tagged":{"type":"one"}}"#, "/tagged/role"),
        (r#"{"name":"a","tagged":{"type":"one","role":"r","x":1}}"#, "/tagged/x"),
        (r#"{"name":"a","tagged":{"role":"r"}}"#, "/tagged/type"),
    ] {
        assert_eq!(problem(body), (422, pointer.to_owned()), "{body}");
    }
}

#[test]
fn patches_keep_clear_and_set() {
    let note = |body: &str| parse::<Row>(body.as_bytes()).unwrap().note;
    assert_eq!(note(r#"{"name":"a"}"#).into_option_option(), None);
    assert_eq!(note(r#"{"name":"a","note":null}"#).into_option_option(), Some(None));
    assert_eq!(note(r#"{"name":"a","note":3}"#).into_option_option(), Some(Some(3)));
    assert_eq!(Patch::Set(3).set_only("/note").unwrap(), Some(3));
    assert_eq!(Patch::<u32>::Keep.set_only("/note").unwrap(), None);
    let problem = Patch::<u32>::Clear.set_only("/note").unwrap_err();
    assert_eq!(problem.errors[0].pointer, "/note");
}
