//! Ranges of a guest's memory, which a guest names as it likes.

/// So many bytes from there; none where the memory does not have them.
#[inline]
pub(crate) fn range(data: &[u8], from: u32, bytes: usize) -> Option<&[u8]> {
    let from = from as usize;
    data.get(from..from.checked_add(bytes)?)
}

/// The same, to write to.
#[inline]
pub(crate) fn range_mut(data: &mut [u8], from: u32, bytes: usize) -> Option<&mut [u8]> {
    let from = from as usize;
    data.get_mut(from..from.checked_add(bytes)?)
}
