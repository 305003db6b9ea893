//! A workspace in memory: its record, the peers that are connected to it, and the services they registered.

mod info;
pub(crate) mod lifecycle;

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::connection::Connection;
use crate::hosted::Hosted;
use crate::ids::{ClientId, WorkspaceId};
use crate::registry::Services;

pub(crate) use info::{ServiceTypeInfo, Status, WorkspaceInfo};

/// One loaded workspace.
pub(crate) struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    pub(crate) info: RwLock<WorkspaceInfo>,
    pub(crate) members: RwLock<Members>,
    pub(crate) services: RwLock<Services>,
    /// Held while a change of the info is being stored: changes happen one after another.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

/// The peers of a workspace. Connections are added only while it is not closed.
#[derive(Default)]
pub(crate) struct Members {
    pub(crate) peers: HashMap<ClientId, Peer, foldhash::fast::RandomState>,
    /// The workspace is being unloaded: whoever wants to join loads it anew.
    pub(crate) closed: bool,
}

/// Who answers at an address.
#[derive(Clone)]
pub(crate) enum Peer {
    /// A client of this hub.
    Connection(Arc<Connection>),
    /// One of the hub's own services.
    Hosted(Arc<Hosted>),
}

impl Workspace {
    pub(crate) fn new(info: WorkspaceInfo, id: WorkspaceId) -> Arc<Self> {
        Arc::new(Self {
            id,
            info: RwLock::new(info),
            members: RwLock::default(),
            services: RwLock::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    pub(crate) fn peer(&self, client: &str) -> Option<Peer> {
        self.members.read().peers.get(client).cloned()
    }

    pub(crate) fn connection(&self, client: &str) -> Option<Arc<Connection>> {
        match self.members.read().peers.get(client) {
            Some(Peer::Connection(connection)) => Some(connection.clone()),
            _ => None,
        }
    }

    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        let members = self.members.read();
        members
            .peers
            .values()
            .filter_map(Peer::connection)
            .cloned()
            .collect()
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.members
            .read()
            .peers
            .values()
            .filter(|peer| peer.connection().is_some())
            .count()
    }

    /// Sends an encoded event to every connection that subscribed to its type.
    pub(crate) fn broadcast(&self, event: &str, frame: &Bytes) {
        for connection in self.connections() {
            if connection.is_subscribed(event) {
                // A receiver that is full is closed by its outbox; events have no sender to tell.
                let _ = connection.send(frame);
            }
        }
    }
}

impl Peer {
    pub(crate) fn connection(&self) -> Option<&Arc<Connection>> {
        match self {
            Self::Connection(connection) => Some(connection),
            Self::Hosted(_) => None,
        }
    }
}
