//! A record as it is kept: its version (26 characters), the number of its schema (2 digits), then `MessagePack`.
//!
//! A record is read in any schema that this program knows, and written in [`SCHEMA`]. [`Upcast`]s bring an older one
//! up, one step at a time, whenever it is read; `roster storage upgrade` writes all of them anew. A new schema comes in
//! two releases, one that reads it and one that writes it, so that two neighbouring releases can share a store.

use roster_core::home::Record;
use roster_core::id::CommitId;
use roster_core::store::Stored;
use serde_json::Value;

use crate::error::{Fault, bad};

/// The schema in which this program writes records.
pub(crate) const SCHEMA: u32 = 1;

const VERSION: usize = 26;
const HEADER: usize = VERSION + 2;

/// Brings a record, in the form that serde gives it, from one schema to the next.
pub type Upcast = fn(Value) -> Value;

/// By the schema that it starts from: the first brings 1 to 2.
pub(crate) static UPCASTS: &[Upcast] = &[];

/// A record for its field.
pub(crate) fn encode(version: CommitId, record: &Record) -> Result<Vec<u8>, Fault> {
    encode_as(SCHEMA, version, record)
}

/// The same in a schema by number.
pub(crate) fn encode_as(schema: u32, version: CommitId, record: &Record) -> Result<Vec<u8>, Fault> {
    let mut value = format!("{version}{schema:02}").into_bytes();
    value.extend(rmp_serde::to_vec_named(record).map_err(|error| bad("record", error))?);
    Ok(value)
}

/// A record from its field.
pub(crate) fn decode(value: &[u8]) -> Result<Stored, Fault> {
    decode_by(value, UPCASTS)
}

/// The same with other steps.
pub(crate) fn decode_by(value: &[u8], upcasts: &[Upcast]) -> Result<Stored, Fault> {
    let (header, body) = value.split_at_checked(HEADER).ok_or_else(|| bad("record", "too short"))?;
    let header = std::str::from_utf8(header).map_err(|error| bad("record", error))?;
    let version = header[..VERSION].parse().map_err(|error| bad("version", error))?;
    let schema = header[VERSION..].parse().map_err(|error| bad("schema", error))?;
    Ok(Stored { record: record(schema, body, upcasts)?, version })
}

fn record(schema: usize, body: &[u8], upcasts: &[Upcast]) -> Result<Record, Fault> {
    let steps = schema.checked_sub(1).and_then(|from| upcasts.get(from..));
    let steps = steps.ok_or_else(|| bad("schema", format!("{schema} is not known to this program")))?;
    if steps.is_empty() {
        return rmp_serde::from_slice(body).map_err(|error| bad("record", error));
    }
    let old: Value = rmp_serde::from_slice(body).map_err(|error| bad("record", error))?;
    let new = steps.iter().fold(old, |value, step| step(value));
    let body = rmp_serde::to_vec_named(&new).map_err(|error| bad("record", error))?;
    rmp_serde::from_slice(&body).map_err(|error| bad("record", error))
}

/// The number of the schema in which a value is kept, if it is a record's.
pub(crate) fn schema_of(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value.get(VERSION..HEADER)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use roster_core::id::OrganizationId;
    use roster_core::model::Membership;
    use uuid::Uuid;

    use super::*;

    fn membership() -> Record {
        let organization = OrganizationId::from_uuid(Uuid::from_u128(7));
        Record::Membership(Membership { organization })
    }

    #[test]
    fn a_record_comes_back_with_its_version() {
        let version = CommitId::from_uuid(Uuid::from_u128(99 << 64));
        let value = encode(version, &membership()).unwrap();
        assert_eq!(schema_of(&value), Some(SCHEMA));
        assert_eq!(decode(&value).unwrap(), Stored { record: membership(), version });
    }

    #[test]
    fn an_older_record_is_brought_up_step_by_step() {
        let id = OrganizationId::from_uuid(Uuid::from_u128(7)).to_string();
        let old = serde_json::json!({"membership": {"org": id}});
        let mut value = format!("{}01", CommitId::from_uuid(Uuid::from_u128(1 << 64))).into_bytes();
        value.extend(rmp_serde::to_vec_named(&old).unwrap());
        let rename = |mut value: Value| {
            let id = value["membership"]["org"].take();
            value["membership"] = serde_json::json!({"organisation": id});
            value
        };
        let respell = |mut value: Value| {
            let id = value["membership"]["organisation"].take();
            value["membership"] = serde_json::json!({"organization": id});
            value
        };
        assert_eq!(decode_by(&value, &[rename, respell]).unwrap().record, membership());
        assert!(decode_by(&value, &[]).is_err(), "as it is it cannot be read");
    }

    #[test]
    fn a_newer_record_is_refused() {
        let mut value = encode(CommitId::from_uuid(Uuid::nil()), &membership()).unwrap();
        value[VERSION..HEADER].copy_from_slice(b"02");
        assert!(matches!(decode(&value), Err(Fault::Bad { what: "schema", .. })));
    }
}
