//! Statements that are put together from fields of a config.

use std::{fmt::Write, sync::Arc};

use wappa_message::Value;

use crate::driver::Driver;

/// What a statement begins and ends with, as a config says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(crate) prefix: Option<String>,
    pub(crate) suffix: Option<String>,
}

impl Around {
    fn begin(&self) -> String {
        self.prefix.as_ref().map_or(String::new(), |it| format!("{it} "))
    }

    fn end(&self, sql: &mut String) {
        if let Some(suffix) = &self.suffix {
            sql.push(' ');
            sql.push_str(suffix);
        }
    }
}

/// The statement that reads rows.
pub(crate) fn select(
    driver: Driver,
    table: &str,
    columns: &[String],
    condition: Option<&str>,
    around: &Around,
) -> Arc<str> {
    let mut sql = around.begin();
    _ = write!(sql, "SELECT {} FROM {table}", columns.join(", "));
    if let Some(condition) = condition {
        _ = write!(sql, " WHERE {condition}");
    }
    around.end(&mut sql);
    with_placeholders(driver, &sql).into()
}

/// Placeholders as the driver has them: where they are numbered, each `?` is the next one, and `??` a `?`.
fn with_placeholders(driver: Driver, sql: &str) -> String {
    if !driver.has_numbers() {
        return sql.to_string();
    }
    let (mut numbered, mut n) = (String::with_capacity(sql.len()), 0);
    let mut chars = sql.chars().peekable();
    while let Some(it) = chars.next() {
        match it {
            '?' if chars.next_if_eq(&'?').is_some() => numbered.push('?'),
            '?' => {
                n += 1;
                _ = write!(numbered, "${n}");
            }
            it => numbered.push(it),
        }
    }
    numbered
}

/// The statement that writes rows, however many.
#[derive(Debug)]
pub(crate) struct Insert {
    pub(crate) driver: Driver,
    pub(crate) n_columns: usize,
    /// All in front of the first row.
    head: String,
    /// All behind the last row.
    tail: String,
    /// Both: what tells it from others.
    text: Arc<str>,
}

impl Insert {
    pub(crate) fn new(driver: Driver, table: &str, columns: &[String], around: &Around) -> Insert {
        let mut head = around.begin();
        _ = write!(head, "INSERT INTO {table} ");
        if !columns.is_empty() {
            _ = write!(head, "({}) ", columns.join(","));
        }
        head.push_str("VALUES ");
        let mut tail = String::new();
        around.end(&mut tail);
        // There is no argument for a placeholder in either of them.
        let unescaped = |text: String| if driver.has_numbers() { text.replace("??", "?") } else { text };
        let (head, tail) = (unescaped(head), unescaped(tail));
        let text = format!("{head}…{tail}").into();
        Insert { driver, n_columns: columns.len(), head, tail, text }
    }

    /// What tells it from others, such as one with another suffix.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The statement for so many rows of so many values, with placeholders.
    pub(crate) fn with_placeholders(&self, n_rows: usize, n_values: usize) -> String {
        let mut sql = String::with_capacity(self.head.len() + self.tail.len() + n_rows * (2 * n_values + 2));
        sql.push_str(&self.head);
        for row in 0..n_rows {
            sql.push_str(if row == 0 { "(" } else { ",(" });
            for value in 0..n_values {
                if 0 < value {
                    sql.push(',');
                }
                match self.driver.has_numbers() {
                    true => _ = write!(sql, "${}", row * n_values + value + 1),
                    false => sql.push('?'),
                }
            }
            sql.push(')');
        }
        sql.push_str(&self.tail);
        sql
    }

    /// The statement for these rows, with what `write` makes of each value, by its place in the row. The error says which row
    /// it could not be made for.
    pub(crate) fn with_values<E>(
        &self,
        rows: &[&[Value]],
        mut write: impl FnMut(&mut String, usize, &Value) -> Result<(), E>,
    ) -> Result<String, (usize, E)> {
        let mut sql = String::with_capacity(self.head.len() + self.tail.len() + rows.len() * 32);
        sql.push_str(&self.head);
        for (idx, row) in rows.iter().enumerate() {
            sql.push_str(if idx == 0 { "(" } else { ",(" });
            for (column, value) in row.iter().enumerate() {
                if 0 < column {
                    sql.push(',');
                }
                write(&mut sql, column, value).map_err(|err| (idx, err))?;
            }
            sql.push(')');
        }
        sql.push_str(&self.tail);
        Ok(sql)
    }

    /// Why these values are no row; `None`: they are one.
    pub(crate) fn misfit(&self, row: &[Value]) -> Option<String> {
        let (n_values, n_columns) = (row.len(), self.n_columns);
        (0 < n_columns && n_values != n_columns).then(|| {
            let s = |n: usize| if n == 1 { "" } else { "s" };
            format!(
                "args_mapping gave {n_values} value{} for {n_columns} column{}",
                s(n_values),
                s(n_columns)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(prefix: &str, suffix: &str) -> Around {
        let some = |text: &str| Some(text.to_string()).filter(|it| !it.is_empty());
        Around { prefix: some(prefix), suffix: some(suffix) }
    }

    #[test]
    fn a_select_has_the_placeholders_of_its_driver() {
        let columns = ["a".to_string(), "b".to_string()];
        let sql = |driver, condition, around| select(driver, "t", &columns, condition, &around).to_string();
        assert_eq!(sql(Driver::Sqlite, None, Around::default()), "SELECT a, b FROM t");
        let all = around("WITH x AS (SELECT 1)", "LIMIT 5");
        assert_eq!(
            sql(Driver::MySql, Some("a = ? AND b = ?"), all.clone()),
            "WITH x AS (SELECT 1) SELECT a, b FROM t WHERE a = ? AND b = ? LIMIT 5"
        );
        assert_eq!(
            sql(Driver::Postgres, Some("a = ? AND b ?? 'k' AND c = ?"), all),
            "WITH x AS (SELECT 1) SELECT a, b FROM t WHERE a = $1 AND b ? 'k' AND c = $2 LIMIT 5"
        );
    }

    #[test]
    fn an_insert_has_as_many_rows_as_there_are() {
        let columns = ["a".to_string(), "b".to_string()];
        let insert = |driver| Insert::new(driver, "t", &columns, &around("", "ON CONFLICT DO NOTHING"));
        assert_eq!(
            insert(Driver::Sqlite).with_placeholders(2, 2),
            "INSERT INTO t (a,b) VALUES (?,?),(?,?) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            insert(Driver::Postgres).with_placeholders(2, 2),
            "INSERT INTO t (a,b) VALUES ($1,$2),($3,$4) ON CONFLICT DO NOTHING"
        );
        let rows: [&[Value]; 2] = [&[Value::Int(1), Value::Null], &[Value::Int(2), Value::Int(3)]];
        let written = insert(Driver::Postgres).with_values::<()>(&rows, |sql, _, value| {
            sql.push_str(&value.to_json());
            Ok(())
        });
        assert_eq!(
            written.as_deref(),
            Ok("INSERT INTO t (a,b) VALUES (1,null),(2,3) ON CONFLICT DO NOTHING")
        );
        let told = insert(Driver::Postgres).misfit(&[Value::Null]);
        assert_eq!(told.as_deref(), Some("args_mapping gave 1 value for 2 columns"));
    }
}
