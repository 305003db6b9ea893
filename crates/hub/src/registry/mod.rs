//! The services of one workspace, with indexes: a look-up costs what it finds, not what there is.

mod query;
mod record;
mod reference;
mod select;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub(crate) use query::{Query, QueryError};
pub(crate) use record::{BUILT_IN, RecordError, ServiceRecord};
pub(crate) use reference::{Reference, ReferenceError};
pub(crate) use select::{Criterion, Mode, ModeError};

/// Registration number: services are listed in this order.
type Seq = u64;

/// See the module documentation.
#[derive(Default)]
pub(crate) struct Services {
    next: Seq,
    records: BTreeMap<Seq, Arc<ServiceRecord>>,
    by_name: HashMap<Box<str>, BTreeSet<Seq>, foldhash::fast::RandomState>,
    by_client: HashMap<Box<str>, BTreeSet<Seq>, foldhash::fast::RandomState>,
    singletons: BTreeSet<Seq>,
}

/// Why a service cannot be registered beside the others.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "A singleton service with the same name ({title}) {has} exists in the workspace ({workspace}), please remove it \
     first or use a different name."
)]
pub(crate) struct SingletonError {
    title: String,
    workspace: String,
    has: &'static str,
}

impl Services {
    /// Adds a service; one of the same client and name is replaced and returned.
    pub(crate) fn insert(&mut self, record: Arc<ServiceRecord>) -> Option<Arc<ServiceRecord>> {
        let old = self.remove(&record.client, &record.name);
        let seq = self.next;
        self.next += 1;
        self.by_name.entry(record.name.clone()).or_default().insert(seq);
        self.by_client
            .entry(record.client.clone())
            .or_default()
            .insert(seq);
        if record.singleton {
            self.singletons.insert(seq);
        }
        self.records.insert(seq, record);
        old
    }

    /// Whether a new service may stand beside the others: at most one singleton has a title, and nothing else has it.
    pub(crate) fn check_singleton(&self, new: &ServiceRecord) -> Result<(), SingletonError> {
        let same = |old: &ServiceRecord| {
            old.client == new.client && old.name == new.name && old.app_id == new.app_id
        };
        let refuse = |has| {
            Err(SingletonError {
                title: new.title.to_string(),
                workspace: new.workspace.to_string(),
                has,
            })
        };
        let titled = |old: &&Arc<ServiceRecord>| old.title == new.title;
        if new.singleton {
            let clash = self.all().filter(titled).any(|old| !(same(old) && old.singleton));
            return if clash { refuse("already") } else { Ok(()) };
        }
        let mut singletons = self.singletons.iter().filter_map(|seq| self.records.get(seq));
        if singletons.any(|old| titled(&old)) {
            refuse("has already")
        } else {
            Ok(())
        }
    }

    /// The services that a reference may mean, in registration order.
    pub(crate) fn candidates(&self, reference: &Reference<'_>) -> impl Iterator<Item = &Arc<ServiceRecord>> {
        self.named(reference.service).filter(|record| {
            reference.client.is_none_or(|client| *record.client == *client)
                && reference.app.is_none_or(|app| *record.app_id == *app)
        })
    }

    /// The services that fit a query, apart from its workspace, in registration order.
    pub(crate) fn search<'a>(
        &'a self,
        query: &'a Query,
    ) -> Box<dyn Iterator<Item = &'a Arc<ServiceRecord>> + 'a> {
        let fits = |record: &&Arc<ServiceRecord>| query.matches(record);
        match (query.service.exact(), query.client.exact()) {
            (Some(name), _) => Box::new(self.named(name).filter(fits)),
            (None, Some(client)) => Box::new(self.of_client(client).filter(fits)),
            (None, None) => Box::new(self.all().filter(fits)),
        }
    }

    /// The service of this client and name.
    pub(crate) fn get(&self, client: &str, name: &str) -> Option<&Arc<ServiceRecord>> {
        self.seq(client, name).and_then(|seq| self.records.get(&seq))
    }

    pub(crate) fn remove(&mut self, client: &str, name: &str) -> Option<Arc<ServiceRecord>> {
        let seq = self.seq(client, name)?;
        self.forget(seq)
    }

    /// Removes all services of a client, in registration order.
    pub(crate) fn remove_client(&mut self, client: &str) -> Vec<Arc<ServiceRecord>> {
        let seqs = self.by_client.remove(client).unwrap_or_default();
        seqs.into_iter().filter_map(|seq| self.forget(seq)).collect()
    }

    /// All services, in registration order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ServiceRecord>> {
        self.records.values()
    }

    /// Services with exactly this name, in registration order.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Arc<ServiceRecord>> {
        self.by_name
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|seq| self.records.get(seq))
    }

    /// Services of exactly this client, in registration order.
    pub(crate) fn of_client(&self, client: &str) -> impl Iterator<Item = &Arc<ServiceRecord>> {
        self.by_client
            .get(client)
            .into_iter()
            .flatten()
            .filter_map(|seq| self.records.get(seq))
    }

    /// How many services a client has, without its built-in one.
    pub(crate) fn count_of(&self, client: &str) -> usize {
        let total = self.by_client.get(client).map_or(0, BTreeSet::len);
        total - usize::from(self.get(client, BUILT_IN).is_some())
    }

    /// Whether a client has registered its built-in service, that is: whether it exists for others.
    pub(crate) fn has_client(&self, client: &str) -> bool {
        self.get(client, BUILT_IN).is_some()
    }

    fn seq(&self, client: &str, name: &str) -> Option<Seq> {
        let (one, other) = (self.by_client.get(client)?, self.by_name.get(name)?);
        if one.len() <= other.len() {
            one.iter().find(|seq| other.contains(seq)).copied()
        } else {
            other.iter().find(|seq| one.contains(seq)).copied()
        }
    }

    fn forget(&mut self, seq: Seq) -> Option<Arc<ServiceRecord>> {
        let record = self.records.remove(&seq)?;
        self.singletons.remove(&seq);
        for (index, key) in [
            (&mut self.by_name, &record.name),
            (&mut self.by_client, &record.client),
        ] {
            if let Some(set) = index.get_mut(key) {
                set.remove(&seq);
                if set.is_empty() {
                    index.remove(key);
                }
            }
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(client: &str, name: &str) -> Arc<ServiceRecord> {
        Arc::new(ServiceRecord::for_test("ws-a", client, name))
    }

    fn names(services: &Services) -> Vec<String> {
        services
            .all()
            .map(|one| format!("{}:{}", one.client, one.name))
            .collect()
    }

    #[test]
    fn replacing_keeps_one_and_removing_a_client_keeps_the_others() {
        let mut services = Services::default();
        for (client, name) in [("a", "x"), ("b", "x"), ("a", "y"), ("a", BUILT_IN)] {
            assert!(services.insert(record(client, name)).is_none());
        }
        assert!(services.insert(record("a", "x")).is_some());
        assert_eq!(names(&services), ["b:x", "a:y", "a:built-in", "a:x"]);
        assert_eq!(services.count_of("a"), 2);
        assert_eq!(services.named("x").count(), 2);
        assert_eq!(services.remove_client("a").len(), 3);
        assert_eq!(names(&services), ["b:x"]);
        assert!(services.get("a", "x").is_none());
        assert!(!services.has_client("a"));
    }
}
