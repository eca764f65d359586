//! Metadata that are made when somebody asks: what an input knows of each message is much, and seldom asked for.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::Metadata;

/// Who knows the metadata of several messages.
pub trait MetadataSource: fmt::Debug + Send + Sync {
    /// Makes those of a message.
    fn metadata(&self, idx: usize) -> Metadata;

    /// What [`Metadata::size`] of those would be at most, where that is known without making them.
    fn size(&self, idx: usize) -> Option<usize>;
}

/// The metadata of several messages, those of each made when somebody asks for them, and once for all who share them.
#[derive(Debug)]
pub struct OnDemand {
    source: Arc<dyn MetadataSource>,
    n_messages: usize,
    /// Room for what is made, as soon as anything is.
    made: OnceLock<Box<[OnceLock<Metadata>]>>,
}

impl OnDemand {
    /// The metadata of so many messages.
    pub fn new(source: Arc<dyn MetadataSource>, n_messages: usize) -> OnDemand {
        OnDemand { source, n_messages, made: OnceLock::new() }
    }

    pub(crate) fn get(&self, idx: u32) -> &Metadata {
        let room = || (0..self.n_messages).map(|_| OnceLock::new()).collect();
        self.made.get_or_init(room)[idx as usize].get_or_init(|| {
            let metadata = self.source.metadata(idx as usize);
            debug_assert!(self.source.size(idx as usize).is_none_or(|it| metadata.size() <= it));
            metadata
        })
    }

    pub(crate) fn size(&self, idx: u32) -> usize {
        self.source.size(idx as usize).unwrap_or_else(|| self.get(idx).size())
    }
}
