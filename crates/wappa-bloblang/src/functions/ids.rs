//! Functions that make names in which there is the time, so that those that come later are greater.

use std::sync::Mutex;

use rand::Rng;
use wappa_message::Value;

use crate::{
    environment::Environment,
    error::{Error, Result},
    registry::{
        Category, Constant, Function, Param,
        args::Given,
        bound::{FunctionBody, PreparedFunction},
        example,
    },
    time,
};

const fn new(name: &'static str, description: &'static str, body: FunctionBody) -> Function {
    Function::new(name, Category::General, description, body)
}

pub(super) const FUNCTIONS: &[Function] = &[
    new(
        "ulid",
        "A new ULID: 48 bits of time in milliseconds and 80 random ones, as a text.",
        FunctionBody::Prepared(ulid),
    )
    .params(&[
        Param::text("encoding", "How it is written: `crockford`, 26 letters and digits, or `hex`.")
            .or(Constant::Text("crockford")),
        Param::text("random_source", "`secure_random` or `fast_random`, which are the same here.")
            .or(Constant::Text("secure_random")),
    ])
    .examples(&[
        example("root = ulid().length()", &[("{}", "26")]),
        example(r#"root = ulid(encoding: "hex").length()"#, &[("{}", "32")]),
    ]),
    new(
        "snowflake_id",
        "A new number by the time in milliseconds, the number of the node and how many there were in the same millisecond, \
         as a text.",
        FunctionBody::Prepared(snowflake_id),
    )
    .params(&[Param::int("node_id", "The number of this node: from 0 to 1023.").or(Constant::Int(1))])
    .examples(&[
        example("root.id = snowflake_id()", &[]),
        example("root = snowflake_id(2).int64() < snowflake_id(2).int64()", &[("{}", "true")]),
    ]),
];

fn millis() -> i64 {
    time::unix(&time::now(), 1000)
}

fn ulid(args: Given<'_>, _: &Environment) -> Result<PreparedFunction> {
    let (encoding, source) = (args.text(0), args.text(1));
    let is_hex = match &*encoding {
        "crockford" => false,
        "hex" => true,
        other => return Err(Error::new(format!("invalid ulid encoding: {other}"))),
    };
    if !matches!(&*source, "secure_random" | "fast_random") {
        return Err(Error::new(format!("invalid randomness source: {source}")));
    }
    Ok(Box::new(move |_, _| {
        let mut random = [0; 16];
        rand::rng().fill_bytes(&mut random[6..]);
        let id = (millis() as u128) << 80 | u128::from_be_bytes(random);
        Ok(Value::text(if is_hex { format!("{id:032x}") } else { crockford(id) }).into())
    }))
}

/// A number of 128 bits in digits that people do not mix up. Source: the specification of ULIDs.
fn crockford(id: u128) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26).rev().map(|idx| char::from(DIGITS[(id >> (5 * idx)) as usize & 31])).collect()
}

/// When numbers of this kind begin to count, in milliseconds since 1970.
const SNOWFLAKE_EPOCH: i64 = 1_288_834_974_657;
const STEP_BITS: u32 = 12;
const NODE_BITS: u32 = 10;

fn snowflake_id(args: Given<'_>, _: &Environment) -> Result<PreparedFunction> {
    let node = args.int(0);
    if !(0..1 << NODE_BITS).contains(&node) {
        return Err(Error::new("Node number must be between 0 and 1023"));
    }
    // The time and the step that come next. All that have the same number share them, so that no two are the same.
    static NEXT: Mutex<[(i64, i64); 1 << NODE_BITS]> = Mutex::new([(0, 0); 1 << NODE_BITS]);
    Ok(Box::new(move |_, _| {
        let now = millis() - SNOWFLAKE_EPOCH;
        let (time, step) = {
            let mut next = NEXT.lock().unwrap_or_else(|err| err.into_inner());
            let (time, step) = &mut next[node as usize];
            // Where a millisecond is used up, or clocks go back, the numbers are ahead of the time.
            if *time < now {
                (*time, *step) = (now, 0);
            }
            let taken = (*time, *step);
            *step += 1;
            if *step == 1 << STEP_BITS {
                (*time, *step) = (*time + 1, 0);
            }
            taken
        };
        let id = time << (NODE_BITS + STEP_BITS) | node << STEP_BITS | step;
        Ok(Value::text(id.to_string()).into())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulids_are_written_as_their_specification_has_it() {
        assert_eq!(crockford(0), "00000000000000000000000000");
        assert_eq!(crockford(u128::MAX), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        assert_eq!(crockford(0x01a2_2283_7d40_e800_a4e1_2718_2b34_d091), "01M8H86ZA0X00A9R9730NK9M4H");
    }
}
