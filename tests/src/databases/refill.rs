//! A used database made into a copy of another, row by row. Dropping one and making one takes a server on a disk more
//! than a second; this takes it some milliseconds.

use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection, query_as, query_scalar, raw_sql};

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
    for table in &tables {
        let rows = source.copy_out_raw(&format!("COPY {table} TO STDOUT")).await?;
        let rows: Vec<_> = rows.try_collect().await?;
        if rows.is_empty() {
            continue;
        }
        let mut copy = target.copy_in_raw(&format!("COPY {table} FROM STDIN")).await?;
        for chunk in rows {
            copy.send(chunk).await?;
        }
        copy.finish().await?;
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
