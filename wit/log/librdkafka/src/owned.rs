//! What librdkafka hands out and takes back, freed when it goes out of scope, and texts across the border.

use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

/// Something that librdkafka made for us and that we give back.
pub(crate) struct Owned<T> {
    pointer: NonNull<T>,
    give_back: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// Takes what was made; none where it could not be made.
    ///
    /// # Safety
    /// The pointer is null or fresh from the call whose counterpart `give_back` is, and nobody else gives it back.
    pub(crate) unsafe fn new(pointer: *mut T, give_back: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, give_back })
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `new` was given a pointer that is ours to give back, and this is the only place that does.
        unsafe { (self.give_back)(self.pointer.as_ptr()) }
    }
}

/// A text for librdkafka.
pub(crate) fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "a text holds a zero byte".to_owned())
}

/// A text from librdkafka; empty where there is none.
///
/// # Safety
/// The pointer is null or points to a text that ends with a zero byte and lives until this returns.
pub(crate) unsafe fn text_at(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Room for a message about what went wrong.
pub(crate) struct MessageBuffer([c_char; 512]);

impl Default for MessageBuffer {
    fn default() -> Self {
        Self([0; 512])
    }
}

impl MessageBuffer {
    pub(crate) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.0.iter().take_while(|it| **it != 0).map(|it| it.to_ne_bytes()[0]);
        String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_at_its_zero_byte() {
        let mut buffer = MessageBuffer::default();
        assert_eq!(buffer.text(), "");
        for (to, from) in buffer.0.iter_mut().zip(b"no\0yes") {
            *to = c_char::from_ne_bytes([*from]);
        }
        assert_eq!(buffer.text(), "no");
        assert!(c_text("a\0b").is_err());
    }
}
