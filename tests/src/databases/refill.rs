//! A used database made into a copy of another, row by row. Dropping one and making one takes a server on a disk more
//! than a second; this takes it some milliseconds.

use sqlx::{AssertSqlSafe, PgConnection, query, query_as, query_scalar, raw_sql};

/// So often are rows deleted before the tables' files are made anew: what is deleted stays in them for a while.
const DELETED_IN_A_ROW: i64 = 16;

/// Empties `target` and fills it with what `source` holds; both have the same tables. Needs a superuser.
pub(super) async fn refill(
    target: &mut PgConnection,
    source: &mut PgConnection,
    used: i64,
) -> Result<(), sqlx::Error> {
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
    let tables: Vec<String> = query_scalar(tables).fetch_all(&mut *target).await?;
    // A replica takes rows as they come: nothing is checked against other tables, which come later.
    execute(target, "BEGIN; SET LOCAL session_replication_role = replica".to_owned()).await?;
    if used % DELETED_IN_A_ROW == 0 {
        execute(target, format!("TRUNCATE {}", tables.join(", "))).await?;
    } else {
        execute(target, format!("DELETE FROM {}", tables.join("; DELETE FROM "))).await?;
    }
    // Not by COPY: what it sends in pieces waits 40 ms a table for the other side to say that it has the first.
    let look = |table: &String| format!("SELECT $t${table}$t$, (SELECT json_agg(it)::text FROM {table} it)");
    let look: Vec<String> = tables.iter().map(look).collect();
    let held: Vec<(String, Option<String>)> =
        query_as(AssertSqlSafe(look.join(" UNION ALL "))).fetch_all(&mut *source).await?;
    for (table, rows) in held {
        let Some(rows) = rows else { continue };
        let fill = format!(
            "INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM json_populate_recordset(NULL::{table}, $1::json)"
        );
        query(AssertSqlSafe(fill)).bind(rows).execute(&mut *target).await?;
    }
    continue_counting(target, source).await?;
    execute(target, "COMMIT".to_owned()).await
}

/// Sequences go on where the source's do.
async fn continue_counting(target: &mut PgConnection, source: &mut PgConnection) -> Result<(), sqlx::Error> {
    let sequences = "SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'public'";
    let sequences: Vec<String> = query_scalar(sequences).fetch_all(&mut *source).await?;
    for sequence in sequences {
        let at = AssertSqlSafe(format!("SELECT last_value, is_called FROM {sequence}"));
        let (last, called): (i64, bool) = query_as(at).fetch_one(&mut *source).await?;
        execute(target, format!("SELECT setval('{sequence}', {last}, {called})")).await?;
    }
    Ok(())
}

async fn execute(connection: &mut PgConnection, statements: String) -> Result<(), sqlx::Error> {
    raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(|_| ())
}
