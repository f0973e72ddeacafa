-- What is known of the tape that the read positions belong to, so that another one under the same name is not read on.
CREATE TABLE tape_partitions (
    log text NOT NULL,
    partition integer NOT NULL,
    tape text NOT NULL,
    first bigint NOT NULL,
    PRIMARY KEY (log, partition)
);
COMMENT ON TABLE tape_partitions IS 'per partition, the log that it is of: a position counts only in this one';
COMMENT ON COLUMN tape_partitions.tape IS 'cluster and topic id of Kafka, or the identity of an embedded log';
COMMENT ON COLUMN tape_partitions.first IS 'the first position that an operator accepted; above 0 only after records were lost';
