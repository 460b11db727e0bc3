//! What people are told, word for word, and how it is sent.

mod templates;
