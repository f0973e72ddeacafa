//! The harness that the fuzz targets share.

pub mod harness;
