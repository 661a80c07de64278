//! Values on their way to a PostgreSQL server and back.

use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use rusqlite::types::Value;
use std::error::Error;

/// A value of ours on its way to a column of theirs.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub(super) &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut postgres::types::private::BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Integer(number) if *kind == Type::INT8 => number.to_sql(kind, out),
            Value::Integer(number) if *kind == Type::INT4 => {
                i32::try_from(*number)?.to_sql(kind, out)
            }
            Value::Integer(number) if *kind == Type::BOOL => (*number != 0).to_sql(kind, out),
            Value::Text(text) if *kind == Type::TEXT || *kind == Type::VARCHAR => {
                text.as_str().to_sql(kind, out)
            }
            Value::Blob(bytes) if *kind == Type::BYTEA => bytes.as_slice().to_sql(kind, out),
            other @ (Value::Integer(_) | Value::Real(_) | Value::Text(_) | Value::Blob(_)) => {
                // What it is may be somebody's secret, and this goes into a log.
                let ours = other.data_type();
                Err(format!("{ours} does not go into a column of type {kind}").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// What a column holds, as SQLite would give it.
pub(super) fn value(row: &postgres::Row, column: usize) -> Result<Value, postgres::Error> {
    let kind = row.columns().get(column).map(postgres::Column::type_);
    Ok(match kind {
        Some(&Type::INT8) => of(row.try_get::<_, Option<i64>>(column)?),
        Some(&Type::INT4) => of(row.try_get::<_, Option<i32>>(column)?),
        Some(&Type::BOOL) => of(row.try_get::<_, Option<bool>>(column)?),
        Some(&Type::BYTEA) => of(row.try_get::<_, Option<Vec<u8>>>(column)?),
        Some(_) | None => of(row.try_get::<_, Option<String>>(column)?),
    })
}

fn of<T>(found: Option<T>) -> Value
where
    Value: From<T>,
{
    found.map_or(Value::Null, Value::from)
}
