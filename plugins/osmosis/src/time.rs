//! Parses times in the format of CometBFT: `2023-11-14T22:13:20.123456789Z`, always UTC.

/// Milliseconds since the Unix epoch; none where the text is no such time.
pub(crate) fn parse_millis(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut time = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + digits.parse::<u64>().ok()?)
}

/// Days from the Unix epoch to a civil date. Years are counted from March, so that a leap day comes last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse_millis;

    #[test]
    fn times_are_parsed() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.5Z", Some(951_825_600_500)),
            ("2023-11-14T22:13:20.123456789Z", Some(1_700_000_000_123)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400_000)),
            ("2023-11-14 22:13:20Z", None),
            ("2023-13-14T22:13:20Z", None),
            ("soon", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_millis(text), expected, "{text}");
        }
    }
}
