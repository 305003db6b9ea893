//! The commands `hypha` and `hypha-server`.
