-- What is known of the tape that the read positions belong to, so that another one under the same name is not read on.
CREATE TABLE tape_partitions (
    log TEXT NOT NULL,
    partition INTEGER NOT NULL,
    tape TEXT NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (log, partition)
) WITHOUT ROWID, STRICT;
