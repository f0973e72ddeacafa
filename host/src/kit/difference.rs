//! What differs between two results of a scan, as lines of JSON: by field, for people.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a line is about.
pub(super) fn subject(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |field: &str| value[field].as_str();
    match (text("block"), text("tradeId")) {
        (Some(block), _) => format!("block {block}"),
        (_, Some(trade)) => format!("trade {trade}"),
        _ => "the end of the scan".to_owned(),
    }
}

/// Each field that differs between two lines, with its path and both values; the words say which value is which.
pub(super) fn differing_fields((one, other): (&str, &str), words: [&str; 2]) -> Vec<String> {
    match (serde_json::from_str(one), serde_json::from_str(other)) {
        (Ok(one), Ok(other)) => {
            let mut fields = vec![];
            compare("", (&one, &other), words, &mut fields);
            fields
        }
        _ => vec![format!("{} {one}, {} {other}", words[0], words[1])],
    }
}

fn compare(path: &str, pair: (&Value, &Value), words: [&str; 2], fields: &mut Vec<String>) {
    match pair {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let [one, other] = [one, other].map(|of| of.get(name).unwrap_or(&Value::Null));
                compare(&path, (one, other), words, fields);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                let [one, other] = [one, other].map(|of| of.get(index).unwrap_or(&Value::Null));
                compare(&format!("{path}[{index}]"), (one, other), words, fields);
            }
        }
        (one, other) if one == other => {}
        (one, other) => {
            let shown = |value: &Value| if value.is_null() { "nothing".to_owned() } else { value.to_string() };
            fields.push(format!("{path}: {} {}, {} {}", words[0], shown(one), words[1], shown(other)));
        }
    }
}

/// What a scan gives now and did not before: a line for each block and trade that is new (`+`), gone (`-`) or another (`~`).
pub(super) fn changes(before: &str, now: &str) -> Vec<String> {
    let by_subject = |text: &str| text.lines().map(|line| (subject(line), line.to_owned())).collect::<BTreeMap<_, _>>();
    let (before, now) = (by_subject(before), by_subject(now));
    let subjects: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let change = |subject: &&String| match (before.get(*subject), now.get(*subject)) {
        (None, Some(_)) => Some(format!("+ {subject}")),
        (Some(_), None) => Some(format!("- {subject}")),
        (Some(was), Some(is)) if was != is => {
            let fields = differing_fields((was, is), ["was", "is"]);
            Some(format!("~ {subject}: {}", fields.join("; ")))
        }
        _ => None,
    };
    subjects.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_that_differs_is_named_by_its_path() {
        let expected = r#"{"tradeId":"c/1","legs":[{"venue":"a","in":{"amount":"5"}}],"fee":null}"#;
        let found = r#"{"tradeId":"c/1","legs":[{"venue":"a","in":{"amount":"6"}},{"venue":"b"}],"fee":"1"}"#;
        let said = differing_fields((expected, found), ["expected", "found"]);
        assert_eq!(said[0], "fee: expected nothing, found \"1\"");
        assert_eq!(said[1], "legs[0].in.amount: expected \"5\", found \"6\"");
        assert_eq!(said[2], "legs[1]: expected nothing, found {\"venue\":\"b\"}");
        assert_eq!((said.len(), subject(expected)), (3, "trade c/1".to_owned()));
        assert_eq!(differing_fields(("{", "{}"), ["expected", "found"]), ["expected {, found {}"]);
    }

    #[test]
    fn what_a_scan_gives_now_and_did_not_before_is_listed_by_trade() {
        let block = |trades: u8| format!(r#"{{"block":"7:b","trades":{trades}}}"#);
        let trade = |id: &str, amount: &str| format!(r#"{{"tradeId":"c/{id}","sold":{{"amount":"{amount}"}}}}"#);
        let end = r#"{"through":7}"#;
        let before = [block(2), trade("1", "5"), trade("2", "8"), end.to_owned()].join("\n");
        let now = [block(2), trade("1", "6"), trade("3", "8"), end.to_owned()].join("\n");
        let expected = ["~ trade c/1: sold.amount: was \"5\", is \"6\"", "- trade c/2", "+ trade c/3"];
        assert_eq!(changes(&before, &now), expected);
        assert!(changes(&now, &now).is_empty());
        assert_eq!(changes("", end), ["+ the end of the scan"]);
    }
}
