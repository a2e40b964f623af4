//! Operations: one file each.
