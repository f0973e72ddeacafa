//! JSON parsed in one pass, borrowing strings and skipping unwanted values: for responses of many megabytes.
//!
//! It is for the responses of nodes, whose strings contain no escapes where it matters (hashes, numbers, addresses): a
//! string with an escape is refused. Skipped values are not validated, and strings are returned as bytes that may be no
//! UTF-8.

mod scan;

use std::fmt;

/// Where a text is not the expected JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The expected token.
    pub expected: &'static str,
    /// The byte at which it was expected.
    pub at: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

impl std::error::Error for Malformed {}

type Result<T> = std::result::Result<T, Malformed>;

/// Whether a field has the wanted name. It compares words of eight bytes, because compilers for WebAssembly turn a
/// comparison of slices into a call and a loop over bytes.
#[inline]
pub fn is<const N: usize>(name: &[u8], wanted: &[u8; N]) -> bool {
    const WORD: usize = size_of::<u64>();
    let word = |bytes: &[u8], at: usize| bytes[at..].first_chunk().map(|word| u64::from_le_bytes(*word));
    if name.len() != N {
        return false;
    }
    if N < WORD {
        return name.iter().zip(wanted).fold(0, |other, (one, two)| other | (one ^ two)) == 0;
    }
    let mut at = 0;
    while at + WORD < N {
        if word(name, at) != word(wanted, at) {
            return false;
        }
        at += WORD;
    }
    word(name, N - WORD) == word(wanted, N - WORD)
}

/// A position in a JSON text.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of a text.
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { bytes: text.as_ref(), at: 0 }
    }

    /// The offset of the next byte.
    pub fn place(&self) -> usize {
        self.at
    }

    /// The text from an offset up to the next byte; none of it where the offset is not behind.
    pub fn since(&self, place: usize) -> &'a [u8] {
        self.bytes.get(place..self.at).unwrap_or_default()
    }

    /// An error at this position.
    pub fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { expected, at: self.at }
    }

    /// The next byte that is no white space, without passing it.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        match *self.bytes.get(self.at)? {
            byte if byte > b' ' => Some(byte),
            _ => self.peek_past_space(),
        }
    }

    /// The slow path: most nodes send no white space.
    #[cold]
    fn peek_past_space(&mut self) -> Option<u8> {
        loop {
            match *self.bytes.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    /// Passes a byte if it comes next; returns whether it did.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Passes `null` if it comes next; returns whether it did.
    #[inline]
    pub fn null(&mut self) -> bool {
        let is_next = self.peek() == Some(b'n') && self.bytes[self.at..].starts_with(b"null");
        self.at += if is_next { 4 } else { 0 };
        is_next
    }

    /// Parses a string without escapes.
    #[inline]
    pub fn text(&mut self) -> Result<&'a [u8]> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed("a string"));
        }
        let start = self.at + 1;
        match scan::quote_or_escape(self.bytes, start) {
            Some(end) if self.bytes[end] == b'"' => {
                self.at = end + 1;
                Ok(&self.bytes[start..end])
            }
            _ => Err(self.malformed("a string without escapes")),
        }
    }

    /// Parses a string without escapes, or `null`.
    #[inline]
    pub fn optional_text(&mut self) -> Result<Option<&'a [u8]>> {
        if self.null() { Ok(None) } else { self.text().map(Some) }
    }

    /// Parses an object; `read` is called with each field's name and must pass its value.
    #[inline]
    pub fn object<E: From<Malformed>>(
        &mut self,
        mut read: impl FnMut(&'a [u8], &mut Self) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if !self.eat(b'{') {
            return Err(self.malformed("an object").into());
        }
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let name = self.text()?;
            if !self.eat(b':') {
                return Err(self.malformed("`:`").into());
            }
            read(name, self)?;
            if !self.eat(b',') {
                return if self.eat(b'}') { Ok(()) } else { Err(self.malformed("`,` or `}`").into()) };
            }
        }
    }

    /// Parses a list; `read` is called for each element and must pass it.
    #[inline]
    pub fn list<E: From<Malformed>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if !self.eat(b'[') {
            return Err(self.malformed("a list").into());
        }
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            read(self)?;
            if !self.eat(b',') {
                return if self.eat(b']') { Ok(()) } else { Err(self.malformed("`,` or `]`").into()) };
            }
        }
    }

    /// Passes one value of any kind and returns its text.
    pub fn value(&mut self) -> Result<&'a [u8]> {
        self.peek();
        let start = self.at;
        self.skip()?;
        Ok(&self.bytes[start..self.at])
    }

    /// Passes one value of any kind.
    #[inline]
    pub fn skip(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"') => self.skip_text(),
            Some(b'{' | b'[') => self.skip_nested(),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                let rest = &self.bytes[self.at..];
                let is_end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                self.at += rest.iter().position(is_end).unwrap_or(rest.len());
                Ok(())
            }
            _ => Err(self.malformed("a value")),
        }
    }

    /// An error where anything but white space is left.
    pub fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.malformed("the end")) }
    }

    #[inline]
    fn skip_text(&mut self) -> Result<()> {
        let mut at = self.at + 1;
        loop {
            match scan::quote_or_escape(self.bytes, at) {
                Some(end) if self.bytes[end] == b'"' => {
                    self.at = end + 1;
                    return Ok(());
                }
                Some(escape) => at = escape + 2,
                None => return Err(self.malformed("the end of a string")),
            }
        }
    }

    fn skip_nested(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.skip_text()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
                None => return Err(self.malformed("the end of a value")),
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field<'a>(text: &'a str, wanted: &str) -> Result<Option<&'a str>> {
        let mut found = None;
        let mut cursor = Cursor::new(text);
        cursor.object(|name, value| {
            if name == wanted.as_bytes() {
                found = Some(std::str::from_utf8(value.value()?).unwrap());
            } else {
                value.skip()?;
            }
            Ok::<_, Malformed>(())
        })?;
        cursor.end()?;
        Ok(found)
    }

    #[test]
    fn a_field_is_found_among_others() {
        let text = r#" { "a" : [1, {"b": "]}\"\\"}, null] ,"long":"0123456789abcdef0123456789\"","c":-1.5e3, "d":{} }"#;
        assert_eq!(field(text, "a"), Ok(Some(r#"[1, {"b": "]}\"\\"}, null]"#)));
        assert_eq!(field(text, "long"), Ok(Some(r#""0123456789abcdef0123456789\"""#)));
        assert_eq!(field(text, "c"), Ok(Some("-1.5e3")));
        assert_eq!(field(text, "d"), Ok(Some("{}")));
        assert_eq!(field("{}", "d"), Ok(None));
    }

    #[test]
    fn a_name_equals_itself_and_no_other() {
        fn check<const N: usize>(wanted: &[u8; N]) {
            assert!(is(wanted, wanted));
            assert!(!is(&wanted[1..], wanted) && !is(&[wanted, &b"x"[..]].concat(), wanted));
            for at in 0..N {
                let mut other = *wanted;
                other[at] ^= 1;
                assert!(!is(&other, wanted), "{at} of {N}");
            }
        }
        check(b"a");
        check(b"miner");
        check(b"number");
        check(b"gasUsed");
        check(b"gasLimit");
        check(b"extraData");
        check(b"transactionHash");
        check(b"transactionIndex");
        check(b"parentBeaconBlockRoot");
    }

    #[test]
    fn strings_have_no_escapes_and_may_be_null() {
        assert_eq!(Cursor::new(r#" "0xab" "#).text(), Ok(&b"0xab"[..]));
        assert_eq!(Cursor::new("null").optional_text(), Ok(None));
        assert!(Cursor::new(r#""a\n""#).text().is_err());
        assert!(Cursor::new("7").optional_text().is_err());
    }

    #[test]
    fn truncated_json_is_an_error() {
        for text in ["", "{", r#"{"a""#, r#"{"a":"#, r#"{"a":1"#, r#"{"a":"b\"#, r#"{"a":[}"#, r#"{"a":1,}"#, "{} x"] {
            assert!(field(text, "z").is_err(), "{text}");
        }
    }

    proptest! {
        /// Whatever the text: no panic, and a value that serde parses is passed to its end.
        #[test]
        fn any_text_is_read_or_refused(text in r#"([\[\]{}:,"\\ 0-9a-z]|null|é){0,60}"#) {
            let _ = field(&text, "a");
            let mut cursor = Cursor::new(&text);
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert_eq!(cursor.value(), Ok(text.trim_matches(' ').as_bytes()));
            } else {
                let _ = cursor.value();
            }
        }
    }
}
