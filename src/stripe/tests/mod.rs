//! The room as a whole, over a real socket.

mod events;
mod items;
mod marks;
mod mirror;
mod records;
mod shelf;
mod subscribers;
mod transport;
