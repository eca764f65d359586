//! One processor of a config: found by its path or its label, and put where the whole pipeline was.

use wappa_spec::{ComponentKind, ComponentNode, Node, Pointer, Pos, Registry, StreamConfig, printable};

use crate::table;

/// Leaves of a config one processor, at its place where it is one of the pipeline's, with the resources that it may ask.
pub(super) fn only(config: &mut StreamConfig, place: &str) -> Result<(), String> {
    let table = table::registry();
    let found = find(config, place, &table).ok_or_else(|| {
        format!(
            "the config has no processor `{}`\nhint: its path is what the lines have in `path`, such as \
             `pipeline.processors.0`; a label does as well",
            printable(place)
        )
    })?;
    let empty = StreamConfig::empty(&table).expect("an empty config is a config");
    let (idx, processor) = found;
    let nothing = ComponentNode { name: "noop".to_string(), ..component(ComponentKind::Processor) };
    config.pipeline.threads = 1;
    config.pipeline.processors = vec![nothing; idx];
    config.pipeline.processors.push(processor);
    config.output = ComponentNode { name: "drop".to_string(), ..component(ComponentKind::Output) };
    config.error_handling = empty.error_handling;
    config.resources.inputs.clear();
    config.resources.outputs.clear();
    Ok(())
}

fn component(kind: ComponentKind) -> ComponentNode {
    let pos = Pos::new(1, 1);
    ComponentNode {
        kind,
        name: String::new(),
        label: String::new(),
        body: Node::empty_map(pos),
        processors: Vec::new(),
        mapping: Default::default(),
        pos,
        dir: None,
    }
}

/// The processor at a place, and where in the pipeline it is, or is in.
fn find(config: &StreamConfig, place: &str, registry: &dyn Registry) -> Option<(usize, ComponentNode)> {
    let segments: Vec<String> = match place.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|it| it.replace("~1", "/").replace("~0", "~")).collect(),
        None => {
            let path = place.strip_prefix("root.").unwrap_or(place);
            path.split('.').map(|it| it.replace("~1", ".").replace("~0", "~")).collect()
        }
    };
    let (resources, path) = (&config.resources, segments.as_slice());
    let found = match path.first()?.as_str() {
        "pipeline" => {
            let [processors, idx, rest @ ..] = path.get(1..)? else { return None };
            let idx: usize = idx.parse().ok().filter(|_| processors == "processors")?;
            return Some((idx, below(config.pipeline.processors.get(idx)?, rest, registry)?));
        }
        "input" => below(&config.input, &path[1..], registry),
        "output" => below(&config.output, &path[1..], registry),
        "processor_resources" => in_list(&resources.processors, &path[1..], registry),
        "input_resources" => in_list(&resources.inputs, &path[1..], registry),
        "output_resources" => in_list(&resources.outputs, &path[1..], registry),
        _ => None,
    };
    found.map(|it| (0, it)).or_else(|| labelled(config, place, registry))
}

fn in_list(list: &[ComponentNode], path: &[String], registry: &dyn Registry) -> Option<ComponentNode> {
    let (idx, rest) = path.split_first()?;
    below(list.get(idx.parse::<usize>().ok()?)?, rest, registry)
}

/// What is below a component.
fn below(component: &ComponentNode, path: &[String], registry: &dyn Registry) -> Option<ComponentNode> {
    match path {
        [] => Some(component.clone()).filter(|it| it.kind == ComponentKind::Processor),
        [key, rest @ ..] if *key == component.name => {
            let node = Pointer(rest.to_vec()).find(&component.body).ok()?;
            read(node, component, registry)
        }
        [key, rest @ ..] if key == "processors" => in_list(&component.processors, rest, registry),
        _ => None,
    }
}

/// The processor that a node describes, in the directory of what it is in.
fn read(node: &Node, within: &ComponentNode, registry: &dyn Registry) -> Option<ComponentNode> {
    let found = ComponentNode::read_again(ComponentKind::Processor, node, registry)?;
    registry.spec(found.kind, &found.name)?;
    Some(ComponentNode { dir: within.dir.clone(), ..found })
}

/// The processor with a label.
fn labelled(config: &StreamConfig, label: &str, registry: &dyn Registry) -> Option<(usize, ComponentNode)> {
    let pipeline = config.pipeline.processors.iter().enumerate();
    let resources = &config.resources;
    let others = [&config.input, &config.output].into_iter().chain(&resources.processors);
    let others = others.chain(&resources.inputs).chain(&resources.outputs).map(|it| (0, it));
    pipeline.chain(others).find_map(|(idx, it)| Some((idx, labelled_in(it, label, registry)?)))
}

fn labelled_in(within: &ComponentNode, label: &str, registry: &dyn Registry) -> Option<ComponentNode> {
    if within.label == label && within.kind == ComponentKind::Processor {
        return Some(within.clone());
    }
    let processors = within.processors.iter().find_map(|it| labelled_in(it, label, registry));
    processors.or_else(|| read(labelled_node(&within.body, label)?, within, registry))
}

fn labelled_node<'n>(node: &'n Node, label: &str) -> Option<&'n Node> {
    if node.get("label").and_then(Node::as_str) == Some(label) {
        return Some(node);
    }
    let items = node.as_seq().into_iter().flatten();
    let values = node.as_map().into_iter().flatten().map(|(_, value)| value);
    items.chain(values).find_map(|it| labelled_node(it, label))
}
