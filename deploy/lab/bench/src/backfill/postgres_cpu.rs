//! The processor time of a PostgreSQL server on this machine.

/// Clock ticks in a second, as Linux counts them for every process.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds that all its processes have used so far, those that have ended included; none where no server runs here.
pub(super) fn seconds() -> Option<f64> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let ticks = processes.filter_map(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
        if !name.starts_with("postgres") {
            return None;
        }
        // User and system time, its own and of its children that have ended: the 14th to 17th field.
        let used = fields.split_ascii_whitespace().skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok());
        Some(used.sum::<f64>())
    });
    let ticks: Vec<f64> = ticks.collect();
    (!ticks.is_empty()).then(|| ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}
