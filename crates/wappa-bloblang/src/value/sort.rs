//! Sorting by comparisons that may be wrong or fail: what comes from outside may have no order at all, at which the
//! standard library's sort panics.

/// The longest list of which one element after the other is put in its place: those are all compared as Go does it, so
/// that what is no order gives the same, and what cannot be compared fails at the same place.
const INSERTED_MAX: usize = 12;

/// Sorts with a comparison of which nothing is known, not even that it is an order: it is told what stands at which place
/// of the list, and at which other. Where it fails, nothing is known of the order of the list either.
pub(crate) fn merge_sort<T: Clone, E>(
    list: &mut [T],
    is_less: &mut impl FnMut((usize, &T), (usize, &T)) -> Result<bool, E>,
) -> Result<(), E> {
    let n_scratch = if list.len() <= INSERTED_MAX { 0 } else { list.len() / 2 };
    sort(list, 0, &mut Vec::with_capacity(n_scratch), is_less)
}

/// The same of a part that begins at this place.
fn sort<T: Clone, E>(
    list: &mut [T],
    begin: usize,
    scratch: &mut Vec<T>,
    is_less: &mut impl FnMut((usize, &T), (usize, &T)) -> Result<bool, E>,
) -> Result<(), E> {
    if list.len() <= INSERTED_MAX {
        for idx in 1..list.len() {
            let mut at = idx;
            while 0 < at && is_less((begin + at, &list[at]), (begin + at - 1, &list[at - 1]))? {
                list.swap(at, at - 1);
                at -= 1;
            }
        }
        return Ok(());
    }
    let middle = list.len() / 2;
    sort(&mut list[..middle], begin, scratch, is_less)?;
    sort(&mut list[middle..], begin + middle, scratch, is_less)?;
    scratch.clear();
    scratch.extend_from_slice(&list[..middle]);
    let (mut at, mut right) = (0, middle);
    for left in scratch.drain(..) {
        while right < list.len() && is_less((begin + right, &list[right]), (begin + at, &left))? {
            // What stands here was put aside, or was moved on before.
            list.swap(at, right);
            (at, right) = (at + 1, right + 1);
        }
        list[at] = left;
        at += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_stay_in_their_order() {
        let mut list: Vec<(u32, usize)> = (0..1000).map(|it: usize| ((it * 7919 % 31) as u32, it)).collect();
        let mut expected = list.clone();
        expected.sort();
        merge_sort(&mut list, &mut |(_, one), (_, other)| Ok::<bool, ()>(one.0 < other.0))
            .expect("nothing fails");
        assert_eq!(list, expected);
    }

    #[test]
    fn what_is_no_order_loses_nothing() {
        let mut list: Vec<u32> = (0..100).collect();
        // One comes before another, that before a third, and that before the first.
        merge_sort(&mut list, &mut |(_, one), (_, other)| Ok::<bool, ()>((one + 1) % 3 == other % 3))
            .expect("nothing fails");
        list.sort_unstable();
        assert_eq!(list, (0..100).collect::<Vec<u32>>());
        assert_eq!(merge_sort(&mut [2, 1], &mut |_, _| Err("no")), Err("no"));
    }
}
