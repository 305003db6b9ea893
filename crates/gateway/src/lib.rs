//! Everything over HTTP.
