//! A picture in Mermaid's language.

use super::flow::{Flow, Role};

pub(super) fn write(flow: &Flow) -> String {
    let mut out = String::from("flowchart LR\n");
    for (id, part) in flow.parts.iter().enumerate() {
        let label =
            if part.label.is_empty() { String::new() } else { format!("<br/>{}", escaped(&part.label)) };
        let text = format!("\"{}{label}\"", escaped(&part.name));
        let shape = match part.role {
            Role::Input | Role::Output => format!("([{text}])"),
            Role::Processor | Role::More => format!("[{text}]"),
            Role::Resource => format!("[({text})]"),
        };
        out.push_str(&format!("  n{id}{shape}\n"));
    }
    for way in &flow.ways {
        let arrow = match (way.is_use, way.text.as_str()) {
            (true, "") => "-.->".to_string(),
            (true, text) => format!("-.->|\"{}\"|", escaped(text)),
            (false, "") => "-->".to_string(),
            (false, text) => format!("-->|\"{}\"|", escaped(text)),
        };
        out.push_str(&format!("  n{} {arrow} n{}\n", way.from, way.to));
    }
    out
}

/// Characters that mean something, to Mermaid or to the page that it becomes, are written as their numbers.
fn escaped(text: &str) -> String {
    let is_plain =
        |it: char| it.is_alphanumeric() || matches!(it, ' ' | '_' | '-' | '.' | ',' | '/' | ':' | '…');
    let escape = |it: char| if is_plain(it) { it.to_string() } else { format!("#{};", u32::from(it)) };
    text.chars().map(escape).collect()
}
