//! Which components a config has, and which way messages go between them.

use std::collections::BTreeMap;

use wappa_spec::{ComponentKind, Node, Registry, Spec, Type, docs, printable};

/// A picture of more parts is read by nobody; those behind are counted.
const PARTS_MAX: usize = 400;

/// Configs are not so deep.
const DEPTH_MAX: usize = 48;

/// How much of a text is shown.
const TEXT_CHARS_MAX: usize = 48;

/// What a part of a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Input,
    Processor,
    Output,
    Resource,
    /// The number of those that are left out.
    More,
}

impl Role {
    /// What it is called in pictures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Role::Input => "input",
            Role::Processor => "processor",
            Role::Output => "output",
            Role::Resource => "resource",
            Role::More => "more",
        }
    }
}

/// A component.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) label: String,
    /// Where it is in a stream: `root.pipeline.processors.0`.
    pub(super) path: String,
}

/// A way that messages take, or the use of a resource.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) text: String,
    pub(super) is_use: bool,
}

/// The picture, without places. A way of messages leads to a part with a higher number, or back from the output of an
/// input's processors; none leads in circles.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) parts: Vec<Part>,
    pub(super) ways: Vec<Way>,
    n_more: usize,
    resources: BTreeMap<(ComponentKind, String), usize>,
}

/// Where messages come from: a part, and what is written beside the way from it.
type Ends = Vec<(usize, String)>;

impl Flow {
    pub(super) fn of(root: &Node, registry: &dyn Registry) -> Flow {
        let mut flow = Flow::default();
        let none = Node::null(root.pos);
        let mut defined: Vec<(usize, ComponentKind, &Node, String)> = Vec::new();
        let kinds =
            ["input", "processor", "output", "cache", "rate_limit"].map(|it| (it, format!("{it}_resources")));
        // Before what uses them, so that uses are found; they are drawn behind.
        let mut pending = Vec::new();
        for (kind, field) in &kinds {
            let Some(kind) = ComponentKind::ALL.into_iter().find(|it| it.name() == *kind) else { continue };
            for node in root.get(field).and_then(Node::as_seq).unwrap_or_default() {
                pending.push((kind, node, format!("root.{field}")));
            }
        }
        for (kind, node, path) in pending {
            let Some(id) = flow.part(Role::Resource, kind, node, &path, registry) else { continue };
            let label = node.get("label").map(Node::as_key).unwrap_or_default().to_string();
            flow.resources.insert((kind, label), id);
            defined.push((id, kind, node, path));
        }
        let input = root.get("input").unwrap_or(&none);
        let mut ends = flow.input(input, "root.input", registry, 0);
        if let Some(buffer) = root.get("buffer").filter(|it| name_of(it) != "none") {
            ends = flow.buffer(buffer, "root.buffer", ends, registry);
        }
        let processors = root.get("pipeline").and_then(|it| it.get("processors"));
        ends = flow.chain(processors.unwrap_or(&none), "root.pipeline.processors", ends, registry, 0);
        flow.output(root.get("output").unwrap_or(&none), "root.output", &ends, registry, 0);
        for (id, kind, node, path) in defined {
            flow.below(id, kind, node, &path, registry, 0);
        }
        if 0 < flow.n_more {
            let name = format!("and {} more", flow.n_more);
            flow.parts.push(Part { role: Role::More, name, label: String::new(), path: String::new() });
        }
        flow
    }

    /// Whether there are as many parts as are drawn; then this is one more that is counted only.
    fn is_full(&mut self) -> bool {
        let is_full = PARTS_MAX <= self.parts.len();
        self.n_more += usize::from(is_full);
        is_full
    }

    /// A component; none where there are too many.
    fn part(
        &mut self,
        role: Role,
        kind: ComponentKind,
        node: &Node,
        path: &str,
        registry: &dyn Registry,
    ) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        let name = match spec_of(kind, node, registry) {
            Some(spec) => spec.name.to_string(),
            None if node.is_null() => match kind {
                ComponentKind::Input => "stdin".to_string(),
                ComponentKind::Output => "stdout".to_string(),
                _ => "?".to_string(),
            },
            None => shown(name_of(node)),
        };
        let label = node.get("label").map(|it| shown(it.as_key())).unwrap_or_default();
        self.parts.push(Part { role, name, label, path: path.to_string() });
        Some(self.parts.len() - 1)
    }

    fn lead(&mut self, from: &Ends, to: usize) {
        for (from, text) in from {
            self.ways.push(Way { from: *from, to, text: text.clone(), is_use: false });
        }
    }

    /// An input with what is below it; where its messages come out.
    fn input(&mut self, node: &Node, path: &str, registry: &dyn Registry, depth: usize) -> Ends {
        if self.is_full() {
            return Ends::new();
        }
        let spec = spec_of(ComponentKind::Input, node, registry);
        let below = if depth < DEPTH_MAX { inner(spec, node, ComponentKind::Input) } else { Vec::new() };
        let mut from = Ends::new();
        for (text, children) in below {
            for (below, child) in children {
                let ends = self.input(child, &format!("{path}.{below}"), registry, depth + 1);
                from.extend(
                    ends.into_iter().map(|(id, it)| (id, if it.is_empty() { text.clone() } else { it })),
                );
            }
        }
        let Some(id) = self.part(Role::Input, ComponentKind::Input, node, path, registry) else {
            return from;
        };
        self.lead(&from, id);
        self.uses(id, spec, node);
        let mut ends = vec![(id, String::new())];
        for (_, processors) in inner(spec, node, ComponentKind::Processor) {
            ends = self.each(&processors, path, ends, registry, depth + 1);
        }
        match node.get("processors") {
            Some(it) if spec.is_none_or(|it| it.name != "processors") => {
                self.chain(it, &format!("{path}.processors"), ends, registry, depth + 1)
            }
            _ => ends,
        }
    }

    /// A buffer between the processors at its ends; where messages come out.
    fn buffer(&mut self, node: &Node, path: &str, mut ends: Ends, registry: &dyn Registry) -> Ends {
        let spec = spec_of(ComponentKind::Buffer, node, registry);
        // The name of a field says which of them come first.
        let is_before = |children: &Children<'_>| children.iter().any(|(below, _)| below.contains(".pre_"));
        let all = inner(spec, node, ComponentKind::Processor).into_iter().map(|it| it.1);
        let (before, after): (Vec<_>, Vec<_>) = all.partition(is_before);
        for processors in before {
            ends = self.each(&processors, path, ends, registry, 1);
        }
        if let Some(id) = self.part(Role::Processor, ComponentKind::Buffer, node, path, registry) {
            self.lead(&ends, id);
            ends = vec![(id, String::new())];
        }
        for processors in after {
            ends = self.each(&processors, path, ends, registry, 1);
        }
        ends
    }

    /// Processors one after the other; where messages come out.
    fn chain(&mut self, list: &Node, path: &str, from: Ends, registry: &dyn Registry, depth: usize) -> Ends {
        let numbered = |(idx, it): (usize, _)| (idx.to_string(), it);
        let items: Children<'_> =
            list.as_seq().unwrap_or_default().iter().enumerate().map(numbered).collect();
        self.each(&items, path, from, registry, depth)
    }

    /// Those below a path.
    fn each(
        &mut self,
        items: &[(String, &Node)],
        path: &str,
        from: Ends,
        registry: &dyn Registry,
        depth: usize,
    ) -> Ends {
        items.iter().fold(from, |from, (below, it)| {
            self.processor(it, &format!("{path}.{below}"), from, registry, depth)
        })
    }

    fn processor(
        &mut self,
        node: &Node,
        path: &str,
        from: Ends,
        registry: &dyn Registry,
        depth: usize,
    ) -> Ends {
        if self.is_full() {
            return from;
        }
        let spec = spec_of(ComponentKind::Processor, node, registry);
        let Some(id) = self.part(Role::Processor, ComponentKind::Processor, node, path, registry) else {
            return from;
        };
        self.lead(&from, id);
        self.uses(id, spec, node);
        if DEPTH_MAX <= depth {
            return vec![(id, String::new())];
        }
        let groups = inner(spec, node, ComponentKind::Processor);
        let has_rest = groups.iter().any(|it| it.0 == "else");
        let mut ends = Ends::new();
        for (text, children) in groups {
            ends.extend(self.each(&children, path, vec![(id, text)], registry, depth + 1));
        }
        // What no case is for goes on as it is.
        if spec.is_some_and(|it| it.name == "switch") && !has_rest {
            ends.push((id, "else".to_string()));
        }
        if ends.is_empty() { vec![(id, String::new())] } else { ends }
    }

    fn output(&mut self, node: &Node, path: &str, from: &Ends, registry: &dyn Registry, depth: usize) {
        if self.is_full() {
            return;
        }
        let spec = spec_of(ComponentKind::Output, node, registry);
        let mut from = from.clone();
        if let Some(it) = node.get("processors") {
            from = self.chain(it, &format!("{path}.processors"), from, registry, depth + 1);
        }
        let Some(id) = self.part(Role::Output, ComponentKind::Output, node, path, registry) else { return };
        self.lead(&from, id);
        self.uses(id, spec, node);
        if DEPTH_MAX <= depth {
            return;
        }
        for (text, children) in inner(spec, node, ComponentKind::Output) {
            for (below, child) in children {
                self.output(
                    child,
                    &format!("{path}.{below}"),
                    &vec![(id, text.clone())],
                    registry,
                    depth + 1,
                );
            }
        }
    }

    /// What a resource consists of, beside it, and what it uses.
    fn below(
        &mut self,
        id: usize,
        kind: ComponentKind,
        node: &Node,
        path: &str,
        registry: &dyn Registry,
        depth: usize,
    ) {
        let spec = spec_of(kind, node, registry);
        self.uses(id, spec, node);
        if DEPTH_MAX <= depth {
            return;
        }
        let mut children: Vec<(ComponentKind, String, String, &Node)> = Vec::new();
        for kind in [ComponentKind::Input, ComponentKind::Processor, ComponentKind::Output] {
            for (text, nodes) in inner(spec, node, kind) {
                children.extend(nodes.into_iter().map(|(below, it)| (kind, text.clone(), below, it)));
            }
        }
        if kind != ComponentKind::Processor {
            let around = node.get("processors").and_then(Node::as_seq).unwrap_or_default();
            let numbered = around.iter().enumerate();
            let child =
                |(idx, it)| (ComponentKind::Processor, String::new(), format!("processors.{idx}"), it);
            children.extend(numbered.map(child));
        }
        for (kind, text, below, child) in children {
            let path = format!("{path}.{below}");
            let Some(part) = self.part(Role::Resource, kind, child, &path, registry) else { continue };
            self.ways.push(Way { from: id, to: part, text, is_use: true });
            self.below(part, kind, child, &path, registry, depth + 1);
        }
    }

    /// Ways to the resources that a component names: texts of its body that are labels of some.
    fn uses(&mut self, id: usize, spec: Option<&Spec>, node: &Node) {
        let Some(spec) = spec else { return };
        let Some(body) = node.get(spec.name).or_else(|| node.get("plugin")) else { return };
        let mut texts = Vec::new();
        collect_texts(body, &spec.body, &mut texts, 0);
        let kinds: &[ComponentKind] = match spec.name {
            "resource" => &[spec.kind],
            _ => &[ComponentKind::Cache, ComponentKind::RateLimit],
        };
        let mut used = Vec::new();
        for kind in kinds {
            used.extend(
                texts.iter().filter_map(|it| self.resources.get(&(*kind, (*it).to_string()))).copied(),
            );
        }
        used.sort_unstable();
        used.dedup();
        for to in used.into_iter().filter(|it| *it != id) {
            self.ways.push(Way { from: id, to, text: String::new(), is_use: true });
        }
    }
}

/// The texts of a body, without those of components below.
fn collect_texts<'n>(node: &'n Node, ty: &Type, texts: &mut Vec<&'n str>, depth: usize) {
    if DEPTH_MAX < depth {
        return;
    }
    match ty {
        Type::String => texts.extend(node.as_str()),
        Type::Array(item) => {
            node.as_seq().unwrap_or_default().iter().for_each(|it| collect_texts(it, item, texts, depth + 1));
        }
        Type::Object(fields) => {
            for field in *fields {
                if let Some(value) = node.get(field.name) {
                    collect_texts(value, &field.ty, texts, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// Components below another one, each with the rest of its path.
type Children<'n> = Vec<(String, &'n Node)>;

/// The components of a kind right below another one, in groups: cases, branches, or all together.
fn inner<'n>(spec: Option<&Spec>, node: &'n Node, kind: ComponentKind) -> Vec<(String, Children<'n>)> {
    let mut groups = Vec::new();
    if let Some(spec) = spec
        && let Some(body) = node.get(spec.name).or_else(|| node.get("plugin"))
    {
        gather(body, &spec.body, kind, "", spec.name, &mut groups, 0);
    }
    groups
}

fn gather<'n>(
    node: &'n Node,
    ty: &Type,
    kind: ComponentKind,
    text: &str,
    path: &str,
    groups: &mut Vec<(String, Children<'n>)>,
    depth: usize,
) {
    if DEPTH_MAX < depth || node.is_null() {
        return;
    }
    match ty {
        Type::Component(it) if *it == kind => groups.push((text.to_string(), vec![(path.to_string(), node)])),
        Type::Array(Type::Component(it)) if *it == kind => {
            let items = node.as_seq().unwrap_or_default().iter().enumerate();
            let items: Children<'_> = items.map(|(idx, it)| (format!("{path}.{idx}"), it)).collect();
            if !items.is_empty() {
                groups.push((text.to_string(), items));
            }
        }
        Type::Array(item) => {
            for (index, it) in node.as_seq().unwrap_or_default().iter().enumerate() {
                let text = match item {
                    Type::Object(_) => case(it, index),
                    _ => text.to_string(),
                };
                gather(it, item, kind, &text, &format!("{path}.{index}"), groups, depth + 1);
            }
        }
        Type::Map(value) => {
            for (key, it) in node.as_map().unwrap_or_default() {
                let path = format!("{path}.{}", key.as_key());
                gather(it, value, kind, &shown(key.as_key()), &path, groups, depth + 1);
            }
        }
        Type::Object(fields) => {
            for field in *fields {
                if let Some(value) = node.get(field.name) {
                    let path = format!("{path}.{}", field.name);
                    gather(value, &field.ty, kind, text, &path, groups, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// What a case of several is called.
fn case(node: &Node, index: usize) -> String {
    match node.get("check").map(Node::as_key).filter(|it| !it.is_empty()) {
        Some(check) => shown(check),
        None if node.get("output").is_some() || node.get("processors").is_some() => "else".to_string(),
        None => (index + 1).to_string(),
    }
}

fn spec_of<'r>(kind: ComponentKind, node: &Node, registry: &'r dyn Registry) -> Option<&'r Spec> {
    let specs = docs::specs(registry, kind);
    let named = node.get("type").map(Node::as_key);
    match named {
        Some(name) => specs.into_iter().find(|it| it.name == name),
        None => {
            let pairs = node.as_map()?;
            let is_beside = |it: &&str| matches!(*it, "label" | "plugin");
            let keys: Vec<&str> =
                pairs.iter().map(|(key, _)| key.as_key()).filter(|it| !is_beside(it)).collect();
            let find = |name: &&str| specs.iter().find(|it| it.name == *name).copied();
            let own = keys.iter().filter(|it| **it != "processors").find_map(find);
            own.or_else(|| keys.iter().find_map(find))
        }
    }
}

fn name_of(node: &Node) -> &str {
    let pairs = node.as_map().unwrap_or_default();
    let keys = pairs.iter().map(|(key, _)| key.as_key());
    keys.into_iter().find(|it| !matches!(*it, "label" | "processors" | "plugin")).unwrap_or("?")
}

/// A text of the config, on one line, no longer than it helps.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out: String = line.chars().take(TEXT_CHARS_MAX).collect();
    if out.len() < line.len() {
        out.push('…');
    }
    printable(&out).into_owned()
}
