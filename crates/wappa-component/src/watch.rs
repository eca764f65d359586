//! The stop, the time and the caches, for mappings: they find them by the thread that they are evaluated on, so that no
//! component has to hand them on.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use wappa_spec::{CacheCall, Watch};

use crate::{Cache, Pulse};

/// The caches of a stream, by their labels. Cloning shares.
#[derive(Clone, Default)]
pub struct Caches(Arc<HashMap<String, Arc<dyn Cache>>>);

impl FromIterator<(String, Arc<dyn Cache>)> for Caches {
    fn from_iter<T: IntoIterator<Item = (String, Arc<dyn Cache>)>>(caches: T) -> Caches {
        Caches(Arc::new(caches.into_iter().collect()))
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

struct OfStream {
    pulse: Arc<dyn Pulse>,
    caches: Caches,
}

impl Watch for OfStream {
    fn now(&self) -> Duration {
        self.pulse.now()
    }

    fn is_interrupted(&self) -> bool {
        self.pulse.is_interrupted()
    }

    fn cache(&self, label: &str, key: &[u8], call: CacheCall<'_>) -> Result<Option<Bytes>, String> {
        let Some(cache) = self.caches.0.get(label) else {
            return Err(format!("unable to locate resource: {label}"));
        };
        let result = match call {
            CacheCall::Get => match cache.get(key) {
                Ok(None) => return Err("key does not exist".to_string()),
                result => result,
            },
            CacheCall::Set(value) => cache.set(key, value, None).map(|()| None),
            CacheCall::Add(value) => match cache.add(key, value, None) {
                Ok(false) => return Err("key already exists".to_string()),
                result => result.map(|_| None),
            },
            CacheCall::Delete => cache.delete(key).map(|()| None),
        };
        result.map_err(|err| err.to_string())
    }
}

/// From now on all mappings, and texts with queries, that this thread evaluates end when the stream of this pulse gives up
/// what it is doing, and when they take too long, and ask these caches. For whoever has a thread in which components are
/// called.
pub fn watch_mappings(stream: Option<(Arc<dyn Pulse>, Caches)>) {
    wappa_spec::watch(stream.map(|(pulse, caches)| Arc::new(OfStream { pulse, caches }) as Arc<dyn Watch>));
}
