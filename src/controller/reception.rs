//! Where an event that comes in over HTTP belongs: to this replica, while it leads, or to the other.

use std::sync::Arc;

use tokio::sync::watch;

use super::lease::Leadership;
use crate::stripe::Inbox;

/// Where to bring an event. Cheap to clone; asked for every request.
#[derive(Clone, Debug)]
pub struct Reception {
    desk: watch::Receiver<Option<Desk>>,
    leader: watch::Receiver<Option<String>>,
}

/// What [`Reception`] is told by.
#[derive(Debug)]
pub struct Announcer {
    desk: watch::Sender<Option<Desk>>,
    /// Where the replica that leads takes webhooks, when that is another one.
    pub(super) leader: watch::Sender<Option<String>>,
}

/// Who takes events in.
#[derive(Clone, Debug)]
pub enum Place {
    /// This replica.
    Here(Arc<Inbox>),
    /// The one at this address (`HOST:PORT`).
    There(String),
    /// Nobody that is known: a leader is being elected, or has told no address.
    Nowhere,
}

#[derive(Clone, Debug)]
struct Desk {
    inbox: Arc<Inbox>,
    /// Without one there are no rivals.
    leadership: Option<Leadership>,
}

impl Desk {
    fn is_open(&self) -> bool {
        self.leadership.as_ref().is_none_or(Leadership::holds)
    }
}

/// A reception that knows of no place yet, and its announcer.
pub fn reception() -> (Reception, Announcer) {
    let (desk, desk_seen) = watch::channel(None);
    let (leader, leader_seen) = watch::channel(None);
    let reception = Reception {
        desk: desk_seen,
        leader: leader_seen,
    };
    (reception, Announcer { desk, leader })
}

impl Reception {
    /// The reception of a process without rivals: everything belongs into `inbox`.
    pub fn alone(inbox: Arc<Inbox>) -> Self {
        let desk = Desk {
            inbox,
            leadership: None,
        };
        Self {
            desk: watch::channel(Some(desk)).1,
            leader: watch::channel(None).1,
        }
    }

    /// Where to bring an event now.
    pub fn place(&self) -> Place {
        if let Some(desk) = self.desk.borrow().as_ref()
            && desk.is_open()
        {
            return Place::Here(Arc::clone(&desk.inbox));
        }
        let leader = self.leader.borrow().clone();
        leader.map_or(Place::Nowhere, Place::There)
    }
}

impl Announcer {
    /// From now on, and while `leadership` holds, events are taken in here.
    pub(super) fn open(&self, inbox: Arc<Inbox>, leadership: Leadership) {
        let leadership = Some(leadership);
        self.desk.send_replace(Some(Desk { inbox, leadership }));
    }
}
