//! The status of both kinds: a pure function of everything known.
