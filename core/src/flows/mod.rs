//! Acts that span homes: pointer, thing, tidy.
