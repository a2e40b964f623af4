//! Reading the file: `user_external_id,email,name,account_external_id,role` in any order (RFC 4180, with a byte order
//! mark and any line ending tolerated).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::permission::RoleRef;
use crate::refusal::Refusal;
use crate::text::{Email, ExternalId, Name};

/// The largest file, in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The longest cell, in bytes.
const MAX_CELL: usize = 4096;

/// One row of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ImportRow {
    /// The vendor's id of the person.
    pub external_id: Option<ExternalId>,
    /// Their address.
    pub email: Option<Email>,
    /// Their name.
    pub name: Option<Name>,
    /// The vendor's id of the account.
    pub account: ExternalId,
    /// The role there.
    pub role: RoleRef,
}

/// One row, or why it cannot be read, with the line on which it begins.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ImportLine {
    /// Counted from 1, the header included.
    pub line: u64,
    /// What names the row in reports: external id or address as written.
    pub item: String,
    /// The row.
    pub row: Result<ImportRow, String>,
}

#[derive(Clone, Copy)]
struct Columns {
    external_id: Option<usize>,
    email: Option<usize>,
    name: Option<usize>,
    account: usize,
    role: usize,
    count: usize,
}

/// Reads a file row by row; 422 for one whose header cannot be used or that has no rows.
pub fn parse_members(bytes: &[u8]) -> Result<Lines<'_, ImportLine>, Refusal> {
    parse(bytes, columns, line)
}

/// Reads one row: on which line it begins, as it stands there, and its cells.
type ReadLine<'a, T> = Box<dyn Fn(u64, &[u8], &csv::ByteRecord) -> T + Send + 'a>;

/// The rows of a file, one at a time: however many there are, they are never all in memory.
pub struct Lines<'a, T> {
    text: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    record: csv::ByteRecord,
    read: ReadLine<'a, T>,
    /// Up to where line ends are counted, and on which line that is.
    counted: (usize, u64),
    first: Option<T>,
}

impl<T> fmt::Debug for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("at", &self.counted).finish_non_exhaustive()
    }
}

/// The rows of a file, each with the line on which it begins.
pub(super) fn parse<'a, C: Send + 'a, T>(
    bytes: &'a [u8],
    columns: impl Fn(&csv::ByteRecord) -> Result<C, Refusal>,
    line: impl Fn(u64, &[u8], &csv::ByteRecord, &C) -> T + Send + 'a,
) -> Result<Lines<'a, T>, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(bad("the file is larger than 64 MiB"));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::ByteRecord::new();
    let header = match reader.read_byte_record(&mut record) {
        Ok(true) => columns(&record)?,
        Ok(false) | Err(_) => return Err(bad("the file is empty; its first line must be the header")),
    };
    let read = Box::new(move |at: u64, raw: &[u8], record: &csv::ByteRecord| line(at, raw, record, &header));
    let mut lines = Lines { text, reader, record, read, counted: (0, 1), first: None };
    lines.first = match lines.next() {
        None => return Err(bad("the file has no rows below its header")),
        Some(first) => Some(first?),
    };
    Ok(lines)
}

impl<T> Iterator for Lines<'_, T> {
    type Item = Result<T, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let begin = byte(self.reader.position());
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(bad(&format!("the file cannot be read: {error}")))),
        }
        let raw = self.text.get(begin..byte(self.reader.position())).unwrap_or_default();
        let blank = raw.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let (counted, line) = self.counted;
        let line = line + line_ends(self.text.get(counted..begin + blank).unwrap_or_default());
        self.counted = (begin + blank, line);
        Some(Ok((self.read)(line, &raw[blank..], &self.record)))
    }
}

fn bad(detail: &str) -> Refusal {
    Refusal::invalid("", detail)
}

fn byte(position: &csv::Position) -> usize {
    usize::try_from(position.byte()).unwrap_or(usize::MAX)
}

/// How many lines end in a text, by LF, CR LF or CR.
fn line_ends(text: &[u8]) -> u64 {
    let ends = |at: usize| text[at] == b'\n' || (text[at] == b'\r' && text.get(at + 1) != Some(&b'\n'));
    (0..text.len()).filter(|at| ends(*at)).count() as u64
}

/// Where the header has each of the columns that are known.
pub(super) fn places<const N: usize>(
    record: &csv::ByteRecord,
    known: [&str; N],
) -> Result<[Option<usize>; N], Refusal> {
    let mut places = [None; N];
    for (at, cell) in record.iter().enumerate() {
        let Some(which) = known.iter().position(|name| name.as_bytes() == cell) else {
            let other: String = String::from_utf8_lossy(cell).chars().take(60).collect();
            let known = known.join(", ");
            let detail = format!("unknown column {other:?} in the header; the columns are {known}");
            return Err(Refusal::invalid("", detail));
        };
        if places[which].replace(at).is_some() {
            return Err(Refusal::invalid("", "the header names a column twice"));
        }
    }
    Ok(places)
}

fn columns(record: &csv::ByteRecord) -> Result<Columns, Refusal> {
    const KNOWN: [&str; 5] = ["user_external_id", "email", "name", "account_external_id", "role"];
    let [external_id, email, name, account, role] = places(record, KNOWN)?;
    match (account, role) {
        (Some(account), Some(role)) if external_id.or(email).is_some() => {
            Ok(Columns { external_id, email, name, account, role, count: record.len() })
        }
        _ => Err(Refusal::invalid(
            "",
            format!(
                "the header must name account_external_id, role, and user_external_id or email; known are {}",
                KNOWN.join(", ")
            ),
        )),
    }
}

fn line(line: u64, raw: &[u8], record: &csv::ByteRecord, columns: &Columns) -> ImportLine {
    let shown = |at: Option<usize>| {
        let cell = at.and_then(|at| record.get(at)).unwrap_or_default();
        Some(String::from_utf8_lossy(cell).chars().take(255).collect::<String>())
            .filter(|cell| !cell.is_empty())
    };
    let item = shown(columns.external_id).or_else(|| shown(columns.email)).unwrap_or_default();
    ImportLine { line, item, row: row(raw, record, columns) }
}

fn row(raw: &[u8], record: &csv::ByteRecord, columns: &Columns) -> Result<ImportRow, String> {
    is_whole(raw, record, columns.count)?;
    let cell = |name: &str, at: usize| cell(record, name, at);
    let optional = |name: &str, at: Option<usize>| at.map_or(Ok(None), |at| cell(name, at));
    let external_id = optional("user_external_id", columns.external_id)?;
    let email = optional("email", columns.email)?;
    let name = optional("name", columns.name)?;
    if external_id.is_none() && email.is_none() {
        return Err("neither user_external_id nor email".into());
    }
    let account = cell("account_external_id", columns.account)?.ok_or("account_external_id: empty")?;
    let role = cell("role", columns.role)?.ok_or("role: empty")?;
    Ok(ImportRow {
        external_id: external_id.map(|text| read("user_external_id", &text)).transpose()?,
        email: email.map(|text| read("email", &text)).transpose()?,
        name: name.map(|text| read("name", &text)).transpose()?,
        account: read("account_external_id", &account)?,
        role: read("role", &role)?,
    })
}

/// A row that can be read: quoted as it should be, with as many cells as the header has.
pub(super) fn is_whole(raw: &[u8], record: &csv::ByteRecord, count: usize) -> Result<(), String> {
    if !quotes_are_plain(raw) {
        return Err(
            "a quotation mark stands bare or is not closed: quote the whole cell and double the marks inside"
                .into(),
        );
    }
    if record.len() != count {
        return Err(format!("{} cells where the header has {count}", record.len()));
    }
    Ok(())
}

/// The text of a cell; nothing for an empty one.
pub(super) fn cell(record: &csv::ByteRecord, name: &str, at: usize) -> Result<Option<String>, String> {
    let bytes = record.get(at).unwrap_or_default();
    if bytes.len() > MAX_CELL {
        return Err(format!("{name}: longer than {MAX_CELL} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{name}: not UTF-8"))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

pub(super) fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("{name}: {error}"))
}

/// Whether quotation marks stand only around whole cells, or doubled inside them (RFC 4180, section 2, rule 5).
fn quotes_are_plain(raw: &[u8]) -> bool {
    #[derive(PartialEq)]
    enum At {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let mut at = At::Start;
    for byte in raw {
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Start | At::Closed, b'"') | (At::Quoted, _) => At::Quoted,
            (At::Start | At::Plain | At::Closed, b',' | b'\n' | b'\r') => At::Start,
            (At::Plain, b'"') | (At::Closed, _) => return false,
            (At::Start | At::Plain, _) => At::Plain,
        };
    }
    at != At::Quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(u64, bool)> {
        let lines = parse_members(text.as_bytes()).unwrap().map(Result::unwrap);
        lines.map(|line| (line.line, line.row.is_ok())).collect()
    }

    #[test]
    fn x4_columns_in_any_order_with_bom_and_any_line_ending() {
        let one = "role,account_external_id,email\nmember,north,ada@example.com\n";
        assert_eq!(parsed(one), [(2, true)]);
        assert_eq!(parsed(&format!("\u{feff}{}", one.replace('\n', "\r\n"))), [(2, true)]);
        assert_eq!(parsed(&one.replace('\n', "\r")), [(2, true)]);
        assert_eq!(parsed("role,account_external_id,email\nmember,north,\"ada@example.com\"\n"), [(2, true)]);
    }

    #[test]
    fn x4_headers_that_cannot_be_used_refuse_the_file() {
        for text in [
            "",
            "\n",
            "email,account_external_id,role\n",
            "email\n",
            "email,role\n",
            "email,role,account_external_id,email\n",
            "email,role,account_external_id,seats\n",
            "ada@example.com,member,north\n",
        ] {
            assert!(parse_members(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn x4_bad_rows_are_refused_one_by_one() {
        let header = "user_external_id,email,account_external_id,role\n";
        for (row, fine) in [
            ("u1,,north,member", true),
            (",,north,member", false),
            ("u1,,north", false),
            ("u1,,north,member,x", false),
            ("u1,,,member", false),
            ("u1,,north,boss", false),
            ("u1,nobody,north,member", false),
            ("u\"1,,north,member", false),
            ("\"u1\"x,,north,member", false),
            ("\"u\"\"1\",,north,member", true),
            ("\"u1,,north,member", false),
        ] {
            assert_eq!(parsed(&format!("{header}{row}\n")), [(2, fine)], "{row}");
        }
        let long = format!("{header}{},,north,member\nu2,,north,member\n", "x".repeat(1 << 20));
        assert_eq!(parsed(&long), [(2, false), (3, true)]);
        let mut raw = header.as_bytes().to_vec();
        raw.extend(b"\xff,,north,member\n");
        assert!(parse_members(&raw).unwrap().all(|line| line.unwrap().row.is_err()));
    }
}
