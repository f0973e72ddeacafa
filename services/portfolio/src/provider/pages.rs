//! A list that comes in pages: remembers the page keys, so that a list that never ends is refused.

use portfolio_domain::ProviderError;
use std::collections::HashSet;

/// More pages than the largest wallet worth showing has.
const MAX_PAGES: usize = 200;

/// Which page of a list is read next.
#[derive(Debug, Default)]
pub(super) struct PageKeys {
    current: Option<String>,
    seen: HashSet<String>,
}

impl PageKeys {
    /// The key of the page to read; none for the first page.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Goes on to the page with this key. Fails when it was read before, or when too many pages were read.
    pub(super) fn advance_to(&mut self, next: String) -> Result<(), ProviderError> {
        if !self.seen.insert(next.clone()) {
            return Err(ProviderError::Malformed("a page leads back to one that was read".to_owned()));
        }
        if self.seen.len() >= MAX_PAGES {
            return Err(ProviderError::Malformed(format!("the list goes on after {MAX_PAGES} pages")));
        }
        self.current = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_in_a_circle_or_without_an_end_is_refused() {
        let mut circle = PageKeys::default();
        assert_eq!(circle.current(), None);
        circle.advance_to("b".to_owned()).unwrap();
        assert_eq!(circle.current(), Some("b"));
        assert!(circle.advance_to("b".to_owned()).unwrap_err().to_string().contains("leads back"));
        let mut endless = PageKeys::default();
        let pages = (0..2 * MAX_PAGES).take_while(|page| endless.advance_to(page.to_string()).is_ok()).count();
        assert_eq!(pages + 1, MAX_PAGES, "the first page has no key");
    }
}
