//! The room as a whole, over a real socket.

mod mirror;
mod subscribers;
mod transport;
