//! The room as a whole, over a real socket.

mod events;
mod items;
mod mirror;
mod records;
mod shelf;
mod subscribers;
mod transport;
