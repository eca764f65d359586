//! Writing rows: one statement for many, and who is to blame when it fails.

use wappa_message::Value;

use crate::{
    connection::Connection,
    failed::{Failed, Kind},
    statement::Insert,
};

/// A statement holds about so many bytes of values at most, so that no server refuses it for its size.
const STATEMENT_BYTES_MAX: usize = 2 << 20;

/// So often a statement that others were in the way of is begun once more.
const AGAIN_MAX: usize = 5;

/// Rows that did not arrive, by their places, and why. Whatever is not named did.
pub(crate) type NotWritten = Vec<(usize, Failed)>;

/// Writes rows, each with its place.
///
/// They go in one statement, of which all arrive or none. Where a row is to blame for its failure, the statement is divided
/// until that row is found, so that the others arrive; where the statement is, all of them fail. The error is that the
/// connection is lost: nobody knows what has arrived.
pub(crate) async fn write(
    connection: &mut Connection,
    insert: &Insert,
    rows: &[(usize, Vec<Value>)],
) -> Result<NotWritten, Failed> {
    let mut not_written = Vec::new();
    // What is to be written, the next one last.
    let mut runs = runs(rows);
    let mut n_again = 0;
    while let Some(run) = runs.pop() {
        let values: Vec<&[Value]> = run.iter().map(|(_, row)| row.as_slice()).collect();
        match connection.insert(insert, &values).await {
            Ok(()) => (),
            Err(err) if err.is_lost() => return Err(err),
            Err(err) if err.kind == Kind::Contended && n_again < AGAIN_MAX => {
                n_again += 1;
                runs.push(run);
            }
            Err(err) if 1 < run.len() && matches!(err.kind, Kind::Row | Kind::Hopeless) => {
                let (head, tail) = run.split_at(run.len() / 2);
                runs.push(tail);
                runs.push(head);
            }
            Err(err) => not_written.extend(run.iter().map(|(place, _)| (*place, err.clone()))),
        }
    }
    not_written.sort_by_key(|(place, _)| *place);
    Ok(not_written)
}

/// Rows that can stand in one statement: as many values in each, and not too many bytes. The first run is last.
fn runs(rows: &[(usize, Vec<Value>)]) -> Vec<&[(usize, Vec<Value>)]> {
    let mut runs = Vec::new();
    let (mut begin, mut n_bytes) = (0, 0);
    for (idx, (_, row)) in rows.iter().enumerate() {
        let size: usize = row.iter().map(Value::text_len).sum();
        let is_same = rows[begin].1.len() == row.len();
        if begin < idx && (!is_same || STATEMENT_BYTES_MAX < n_bytes + size) {
            runs.push(&rows[begin..idx]);
            (begin, n_bytes) = (idx, 0);
        }
        n_bytes += size;
    }
    if begin < rows.len() {
        runs.push(&rows[begin..]);
    }
    runs.reverse();
    runs
}
