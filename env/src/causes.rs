//! An error and everything that caused it, as one line of text.

use std::error::Error;

/// The error's own message and those of its causes, separated by `: `.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_causes;
    use anyhow::anyhow;

    #[test]
    fn every_cause_is_named_outermost_first() {
        let error = anyhow!("connection refused").context("connect to the broker").context("append a step");
        assert_eq!(with_causes(error.as_ref()), "append a step: connect to the broker: connection refused");
    }
}
