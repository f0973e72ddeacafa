//! Pages: a handler reads one row more than a page holds, to know whether there is a next page.

/// The rows of a page of at most `limit`, and the cursor of the next page if there are more rows.
pub(super) fn cut_page<T>(
    mut rows: Vec<T>,
    limit: u32,
    cursor_after: impl FnOnce(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(cursor_after);
    (rows, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_continues_only_if_there_are_more_rows() {
        let cursor = |row: &u32| row.to_string();
        assert_eq!(cut_page(vec![1, 2], 2, cursor), (vec![1, 2], None));
        assert_eq!(cut_page(vec![1, 2, 3], 2, cursor), (vec![1, 2], Some("2".to_owned())));
    }
}
