//! Importing accounts from CSV (rule X4): `account_external_id,name` in any order, `name` optional.

use serde::{Deserialize, Serialize};

use super::parse::{Lines, cell, is_whole, parse, places, read};
use crate::refusal::Refusal;
use crate::text::{ExternalId, Name};

/// One row of the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountRow {
    /// The vendor's id.
    pub external_id: ExternalId,
    /// Its name; a new account without one is named by its id, a known one keeps its own.
    pub name: Option<Name>,
}

/// One row, or why it cannot be read, with the line on which it begins.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AccountLine {
    /// Counted from 1, the header included.
    pub line: u64,
    /// What names the row in reports: the external id as written.
    pub item: String,
    /// The row.
    pub row: Result<AccountRow, String>,
}

struct Columns {
    external_id: usize,
    name: Option<usize>,
    count: usize,
}

/// Reads a file row by row; 422 for one whose header cannot be used or that has no rows.
pub fn parse_accounts(bytes: &[u8]) -> Result<Lines<'_, AccountLine>, Refusal> {
    parse(bytes, columns, |line, raw, record, columns| {
        let item = record.get(columns.external_id).unwrap_or_default();
        let item = String::from_utf8_lossy(item).chars().take(255).collect();
        AccountLine { line, item, row: row(raw, record, columns) }
    })
}

fn columns(record: &csv::ByteRecord) -> Result<Columns, Refusal> {
    let [external_id, name] = places(record, ["account_external_id", "name"])?;
    let missing = || Refusal::invalid("", "the header must name account_external_id, and may name name");
    Ok(Columns { external_id: external_id.ok_or_else(missing)?, name, count: record.len() })
}

fn row(raw: &[u8], record: &csv::ByteRecord, columns: &Columns) -> Result<AccountRow, String> {
    is_whole(raw, record, columns.count)?;
    let external_id =
        cell(record, "account_external_id", columns.external_id)?.ok_or("account_external_id: empty")?;
    let name = columns.name.map_or(Ok(None), |at| cell(record, "name", at))?;
    Ok(AccountRow {
        external_id: read("account_external_id", &external_id)?,
        name: name.map(|text| read("name", &text)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x4_account_rows_are_read_one_by_one_and_bad_headers_refuse_the_file() {
        let parsed = |text: &str| -> Vec<(u64, bool)> {
            let lines = parse_accounts(text.as_bytes()).unwrap().map(Result::unwrap);
            lines.map(|line| (line.line, line.row.is_ok())).collect()
        };
        assert_eq!(parsed("account_external_id\nnorth\n"), [(2, true)]);
        assert_eq!(
            parsed("name,account_external_id\nNorth,north\n,south\nWest,\nx\n"),
            [(2, true), (3, true), (4, false), (5, false)]
        );
        for text in ["", "name\nNorth\n", "account_external_id\n", "account_external_id,role\nnorth,member\n"]
        {
            assert!(parse_accounts(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
