//! Between columns and values. What core could not have written is a [`Fault::Row`].

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use roster_core::id::{AccountId, CommitId};
use roster_core::log::hex;
use roster_core::model::Access;
use roster_core::permission::RoleRef;
use roster_core::time::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::error::Fault;

/// A row that core could not have written.
pub(crate) fn bad(column: &'static str, detail: impl Display) -> Fault {
    Fault::Row { column, detail: detail.to_string() }
}

/// A value from its text.
pub(crate) fn parse<T: FromStr<Err: Display>>(column: &'static str, text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error| bad(column, error))
}

/// A value that may be missing, from its text.
pub(crate) fn parse_some<T: FromStr<Err: Display>>(
    column: &'static str,
    text: Option<String>,
) -> Result<Option<T>, Fault> {
    text.map(|text| parse(column, &text)).transpose()
}

/// A value from its JSON.
pub(crate) fn from_json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| bad(column, error))
}

/// A value as JSON.
pub(crate) fn to_json(column: &'static str, value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| bad(column, error))
}

/// A plain enum from the name that serde gives it.
pub(crate) fn from_name<T: DeserializeOwned>(column: &'static str, name: String) -> Result<T, Fault> {
    serde_json::from_value(serde_json::Value::String(name)).map_err(|error| bad(column, error))
}

/// The name that serde gives a plain enum.
pub(crate) fn to_name(column: &'static str, value: &impl Serialize) -> Result<String, Fault> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        _ => Err(bad(column, "not a plain name")),
    }
}

/// 32 bytes, or another fixed number of them.
pub(crate) fn exact<const N: usize>(column: &'static str, bytes: Vec<u8>) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| bad(column, format!("not {N} bytes")))
}

/// A hash from the hexadecimal digits that stand for it in JSON.
pub(crate) fn hash(digits: &str) -> Result<[u8; 32], Fault> {
    exact("hash", bytes(digits).unwrap_or_default())
}

/// Bytes from the hexadecimal digits that stand for them in JSON.
pub(crate) fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let digits = String::deserialize(deserializer)?;
    bytes(&digits).ok_or_else(|| D::Error::custom("no hexadecimal digits"))
}

/// The same, where they may be missing.
pub(crate) fn from_hex_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
    let digits = Option::<String>::deserialize(deserializer)?;
    let some = digits.filter(|digits| !digits.is_empty());
    some.map(|digits| bytes(&digits).ok_or_else(|| D::Error::custom("no hexadecimal digits"))).transpose()
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// An instant that may be missing.
pub(crate) fn instant(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(Timestamp::from_micros)
}

/// An instant that may be missing, for a column.
pub(crate) fn micros(instant: Option<Timestamp>) -> Option<i64> {
    instant.map(Timestamp::micros)
}

/// A version.
pub(crate) fn version(id: Uuid) -> CommitId {
    CommitId::from_uuid(id)
}

/// Ids as a JSON array of hexadecimal text, which `json_each` and `unhex` turn into rows.
pub(crate) fn id_list<'a>(ids: impl IntoIterator<Item = &'a [u8]>) -> String {
    let quoted: Vec<String> = ids.into_iter().map(|id| format!("\"{}\"", hex(id))).collect();
    format!("[{}]", quoted.join(","))
}

/// The same for UUIDs.
pub(crate) fn uuid_list(ids: &[Uuid]) -> String {
    id_list(ids.iter().map(|id| id.as_bytes().as_slice()))
}

/// The organization-wide role of an access, for its column.
pub(crate) fn organization_role(access: &Access) -> Option<String> {
    access.organization_role().map(|role| role.to_string())
}

/// Roles on named accounts as JSON `[[account, role], …]`, which one statement turns into rows.
pub(crate) fn account_roles(access: &Access) -> Option<String> {
    match access {
        Access::Accounts(roles) if !roles.is_empty() => {
            let pairs: Vec<String> = roles
                .iter()
                .map(|(account, role)| format!("[\"{}\",\"{role}\"]", account.uuid().simple()))
                .collect();
            Some(format!("[{}]", pairs.join(",")))
        }
        Access::Accounts(_) | Access::Organization(_) => None,
    }
}

/// An access from its column and its rows.
pub(crate) fn access(organization_role: Option<String>, account_roles: &str) -> Result<Access, Fault> {
    let pairs: Vec<(Uuid, String)> = from_json("access", account_roles)?;
    match parse_some("organization_role", organization_role)? {
        Some(role) if pairs.is_empty() => Ok(Access::Organization(role)),
        Some(_) => Err(bad("access", "both organization-wide and on accounts")),
        None => {
            pairs.into_iter().map(account_role).collect::<Result<BTreeMap<_, _>, _>>().map(Access::Accounts)
        }
    }
}

fn account_role((account, role): (Uuid, String)) -> Result<(AccountId, RoleRef), Fault> {
    Ok((AccountId::from_uuid(account), parse("role", &role)?))
}
