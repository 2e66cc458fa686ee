//! Cuts lists into batches that fit into memory.

/// Length of the first batch of `items`: at most `items_max` of them with at most `bytes_max` bytes
/// together, but at least one if there is any.
pub(crate) fn batch_length<T>(
    items: &[T],
    items_max: usize,
    bytes_max: u64,
    bytes_of: impl Fn(&T) -> u64,
) -> usize {
    let mut bytes = 0u64;
    let fits = items.iter().take(items_max).take_while(|item| {
        bytes = bytes.saturating_add(bytes_of(item));
        bytes <= bytes_max
    });
    fits.count().max(1).min(items.len())
}

/// All batches of `items`, each as long as [`batch_length`] says.
pub(crate) fn batches<T>(
    items: &[T],
    items_max: usize,
    bytes_max: u64,
    bytes_of: impl Fn(&T) -> u64,
) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let (batch, after) = rest.split_at(batch_length(rest, items_max, bytes_max, &bytes_of));
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}
