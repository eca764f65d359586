//! Whether the types that a core module carries can be handed to the library that wraps it.
//!
//! The library trusts them: it follows the packages that depend on each other on the stack, without end when they do so
//! in a circle, so that a hostile module would end the process.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use wit_parser::{PackageName, decoding::decode_world};

use crate::file::text::one_line;

/// How many packages the types may name. A guest of ours needs `wappa:processor` and those of WASI.
const PACKAGES_MAX: usize = 100;

/// Which package depends on which, in all sections of a module together: the library joins them.
#[derive(Default)]
pub(super) struct Packages {
    dependencies: HashMap<PackageName, HashSet<PackageName>>,
}

impl Packages {
    /// Adds those of one custom section. An error is one line.
    pub(super) fn add(&mut self, section: &[u8]) -> Result<(), String> {
        let (resolve, _) = decode_world(section).map_err(|err| one_line(&format!("{err:#}")))?;
        for (id, package) in resolve.packages.iter() {
            let needed = resolve.package_direct_deps(id).map(|it| resolve.packages[it].name.clone());
            self.dependencies.entry(package.name.clone()).or_default().extend(needed);
        }
        Ok(())
    }

    /// An error is one line.
    pub(super) fn check(&self) -> Result<(), String> {
        if PACKAGES_MAX < self.dependencies.len() {
            let n = self.dependencies.len();
            return Err(format!("its types name {n} packages, more than {PACKAGES_MAX}"));
        }
        // Versions that fit each other are joined too.
        let is_circular = has_circle(self.edges(PackageName::clone))
            || has_circle(self.edges(|it| (it.namespace.clone(), it.name.clone())));
        if is_circular {
            return Err("the packages of its types depend on each other in a circle".to_owned());
        }
        Ok(())
    }

    /// The dependencies under other names; what then depends on itself is one package.
    fn edges<N: Hash + Eq>(&self, name_of: impl Fn(&PackageName) -> N) -> HashMap<N, HashSet<N>> {
        let mut edges: HashMap<N, HashSet<N>> = HashMap::new();
        for (package, needed) in &self.dependencies {
            let needed = needed.iter().map(&name_of).filter(|it| *it != name_of(package));
            edges.entry(name_of(package)).or_default().extend(needed);
        }
        edges
    }
}

/// Takes away what depends on nothing that is left; in a circle everything depends on something.
fn has_circle<N: Hash + Eq + Clone>(mut edges: HashMap<N, HashSet<N>>) -> bool {
    loop {
        let is_free = |needed: &HashSet<N>| needed.iter().all(|it| !edges.contains_key(it));
        let free: HashSet<N> =
            edges.iter().filter(|(_, needed)| is_free(needed)).map(|(name, _)| name.clone()).collect();
        if free.is_empty() {
            return !edges.is_empty();
        }
        edges.retain(|name, _| !free.contains(name));
    }
}
