//! Components of components, and core instances that are large before they run.

use std::time::Duration;

use crate::{Case, random::Random};

/// Instances multiplied level by level; it is no processor, so whatever it takes is taken before it is refused.
pub(crate) fn case(random: &mut Random) -> Case {
    let mut core = String::from("(func)");
    match random.below(4) {
        0 => core += &"(global i64 (i64.const 0))".repeat(random.below(2000)),
        1 => core += &format!("(table {} funcref)", random.below(100_000)),
        2 => core += "(memory 1)",
        _ => {}
    }
    let width = 1 + random.below(12);
    let depth = random.below(5);
    let mut text = format!(
        "(component (core module $m {core}) (component $c0 {})",
        "(core instance (instantiate $m))".repeat(width)
    );
    for level in 1..=depth {
        let inner = format!("(instance (instantiate $c{}))", level - 1).repeat(width);
        text += &format!("(component $c{level} {inner})");
    }
    text += &format!("(instance (instantiate $c{depth})))");
    let told = format!("{width} instances on each of {depth} levels of {}", &core[..core.len().min(60)]);
    Case {
        module: text.into_bytes(),
        batches: crate::rows::messages(random),
        timeout: Duration::from_millis(100),
        told,
    }
}
