//! Whether a process runs on a log.

use std::fs::File;
use tape_log::Target;

/// Whether a process runs on a log, as far as that can be known from here: on an embedded one it holds the lock file beside it; of a
/// cluster it is not known, and taken for granted. Two that look at once do not take each other for one that runs.
pub(crate) fn is_in_use(log: &Target) -> bool {
    match log {
        Target::Sqlite(path) => {
            File::open(path.with_extension("lock")).is_ok_and(|file| file.try_lock_shared().is_err())
        }
        Target::Kafka(_) => true,
        Target::Memory => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_in_use_while_its_lock_file_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let log = Target::Sqlite(folder.path().join("tape.db"));
        assert!(!is_in_use(&log), "nothing is there");
        let lock = File::create(folder.path().join("tape.lock")).unwrap();
        assert!(!is_in_use(&log), "nobody holds it");
        lock.lock_shared().unwrap();
        assert!(!is_in_use(&log), "somebody else looks");
        lock.unlock().unwrap();
        lock.lock().unwrap();
        assert!(is_in_use(&log));
        drop(lock);
        assert!(!is_in_use(&log));
    }
}
