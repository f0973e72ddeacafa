//! Pages: a handler reads one row more than a page holds, to know whether there is a next page.

use api_domain::Walk;

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

/// The rows of a page of at most `limit`, and the cursor of the next page: below the last row of a full page, else where
/// the walk stopped.
pub(super) fn cut_walk<T, K>(
    walk: Walk<T, K>,
    limit: u32,
    key: impl Fn(&T) -> &K,
    cursor: impl Fn(&K) -> String,
) -> (Vec<T>, Option<String>) {
    let (rows, next) = cut_page(walk.rows, limit, |row| cursor(key(row)));
    (rows, next.or_else(|| walk.stopped_at.as_ref().map(cursor)))
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

    #[test]
    fn a_short_page_continues_where_the_walk_stopped() {
        let cut = |rows: Vec<u32>, stopped_at| cut_walk(Walk { rows, stopped_at }, 2, |row| row, u32::to_string);
        assert_eq!(cut(vec![9, 8], Some(3)), (vec![9, 8], Some("3".to_owned())));
        assert_eq!(cut(vec![], Some(3)), (vec![], Some("3".to_owned())));
        assert_eq!(cut(vec![9, 8, 7], Some(3)), (vec![9, 8], Some("8".to_owned())));
        assert_eq!(cut(vec![9], None), (vec![9], None));
    }
}
