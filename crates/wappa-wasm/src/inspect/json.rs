//! What `wappa inspect --json` prints: the facts and the problems, for programs.

use serde_json::{Value, json};

use super::component::{Component, Extern, Function, Item};
use super::{Inspection, NotAModule, Problem, Severity, Tier};

impl Inspection {
    /// Facts and problems as one JSON object.
    ///
    /// A field that does not apply is `null`, a list empty. Fields may come, none goes.
    pub fn to_json(&self, problems: &[Problem]) -> Value {
        let (imports, exports) = match &self.component {
            Some(component) => (externs(&component.imports), externs(&component.exports)),
            None => (self.core_imports(), self.core_exports()),
        };
        json!({
            "kind": if self.component.is_some() { "component" } else { "module" },
            "tier": match self.tier() {
                Tier::V0 => "v0",
                Tier::V1 => "v1",
                Tier::Component => "component",
            },
            "is_text": self.is_text,
            "is_wrapped": self.component.as_ref().is_some_and(|it| it.is_wrapped),
            "since": (self.tier() == Tier::V1).then(|| self.since()),
            "world": self.component.as_ref().and_then(Component::world_version),
            "size": self.size,
            "sha256": self.sha256_text(),
            "name": self.name,
            "producers": self.producers.iter().map(|it| {
                json!({ "field": it.field, "name": it.name, "version": it.version })
            }).collect::<Vec<_>>(),
            "functions": self.functions,
            "code_bytes": self.code_bytes,
            "memories": self.memories.iter().map(|it| json!({
                "bytes_min": it.bytes_min(),
                "bytes_max": it.pages_max.map(|pages| pages.saturating_mul(it.page_bytes)),
                "is_imported": it.is_imported,
                "exported_as": it.exported_as,
            })).collect::<Vec<_>>(),
            "tables": self.tables.iter().map(|it| json!({
                "elements_min": it.elements_min,
                "elements_max": it.elements_max,
                "is_imported": it.is_imported,
            })).collect::<Vec<_>>(),
            "has_start_section": self.has_start_section,
            "imports": imports,
            "exports": exports,
            "custom_sections": self.custom_sections.iter().map(|(name, size)| {
                json!({ "name": name, "size": size })
            }).collect::<Vec<_>>(),
            "problems": problems.iter().map(Problem::to_json).collect::<Vec<_>>(),
            "runs": problems.iter().all(|it| it.severity != Severity::Error),
        })
    }

    fn core_imports(&self) -> Vec<Value> {
        let imports = self.imports.iter();
        imports
            .map(|it| json!({ "module": it.module, "name": it.name, "type": it.item.to_string() }))
            .collect()
    }

    fn core_exports(&self) -> Vec<Value> {
        self.exports.iter().map(|it| json!({ "name": it.name, "type": it.item.to_string() })).collect()
    }
}

impl NotAModule {
    /// The same object for a file that is no guest: nothing is known of it but its one problem.
    pub fn to_json(&self) -> Value {
        json!({
            "kind": null,
            "problems": [{ "severity": Severity::Error.name(), "text": self.to_string(), "hint": self.hint() }],
            "runs": false,
        })
    }
}

impl Problem {
    /// One problem, as it stands in the list of an inspection.
    pub fn to_json(&self) -> Value {
        json!({ "severity": self.severity.name(), "text": self.text, "hint": self.hint })
    }
}

impl Severity {
    /// As people and programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

fn externs(externs: &[Extern]) -> Vec<Value> {
    let function = |it: &Function| json!({ "name": it.name, "type": it.text });
    let value = |it: &Extern| match &it.item {
        Item::Interface(functions) => json!({
            "name": it.name,
            "type": "interface",
            "functions": functions.iter().map(function).collect::<Vec<_>>(),
        }),
        Item::Function(function) => json!({ "name": it.name, "type": function.text }),
        other => json!({ "name": it.name, "type": other.noun().trim_start_matches("a ") }),
    };
    externs.iter().map(value).collect()
}
