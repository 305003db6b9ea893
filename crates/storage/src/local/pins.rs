//! Which contents are being read, so that their files are not deleted under the reader.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

/// The readers of all contents.
#[derive(Clone, Default)]
pub(crate) struct Pins(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    readers: HashMap<i64, usize>,
    /// Contents whose files are being deleted.
    doomed: HashSet<i64>,
    /// Changes when `doomed` gets smaller.
    epoch: u64,
}

/// One reader of a content.
pub(crate) struct Pin {
    pins: Pins,
    content: i64,
}

impl Pins {
    /// To be asked for before a content is looked up that is then pinned.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.lock().epoch
    }

    /// Holds a content that was looked up since `epoch`; `None` when it is being deleted, or may have been since.
    pub(crate) fn pin(&self, content: i64, epoch: u64) -> Option<Pin> {
        let mut state = self.0.lock();
        if state.doomed.contains(&content) || state.epoch != epoch {
            return None;
        }
        *state.readers.entry(content).or_default() += 1;
        Some(Pin {
            pins: self.clone(),
            content,
        })
    }

    /// Keeps those of `contents` that nobody reads, and lets nobody read them from now on.
    pub(crate) fn doom(&self, contents: &mut Vec<i64>) {
        let mut state = self.0.lock();
        contents.retain(|content| !state.readers.contains_key(content));
        state.doomed.extend(contents.iter().copied());
    }

    /// Ids are never used twice: once the rows are gone, there is no need to remember them.
    pub(crate) fn forget(&self, contents: &[i64]) {
        let mut state = self.0.lock();
        for content in contents {
            state.doomed.remove(content);
        }
        state.epoch += u64::from(!contents.is_empty());
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.pins.0.lock();
        if let Some(count) = state.readers.get_mut(&self.content) {
            *count -= 1;
            if *count == 0 {
                state.readers.remove(&self.content);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stays() {
        let pins = Pins::default();
        let pin = pins.pin(1, pins.epoch()).unwrap();
        let mut contents = vec![1, 2];
        pins.doom(&mut contents);
        assert_eq!(contents, [2]);
        let before = pins.epoch();
        assert!(pins.pin(2, before).is_none());
        pins.forget(&contents);
        assert!(pins.pin(2, before).is_none() && pins.pin(3, pins.epoch()).is_some());
        drop(pin);
        let mut contents = vec![1];
        pins.doom(&mut contents);
        assert_eq!(contents, [1]);
    }
}
