//! The text of `wappa inspect`: what a person in a hurry wants to know about a module, on one screen.

use std::fmt;

use super::component::{Component, Extern, Item};
use super::types::Memory;
use super::{Inspection, Problem, Tier, WORLD_PACKAGE};
use crate::file::text::{bytes, bytes_exact, counted, quoted, safe};

/// Facts only; `Inspection::report` also says what is wrong.
impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_summary(f)?;
        let width = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0).min(60);
        if !self.imports.is_empty() {
            let lines: Vec<(String, String)> = self
                .imports
                .iter()
                .map(|it| (format!("{}.{}", safe(&it.module, 60), safe(&it.name, 100)), it.item.to_string()))
                .collect();
            let width = width(&mut lines.iter().map(|(name, _)| name.chars().count()));
            writeln!(f, "\nimports")?;
            for (name, item) in lines {
                writeln!(f, "  {name:width$}  {item}")?;
            }
        }
        if !self.exports.is_empty() {
            let width = width(&mut self.exports.iter().map(|it| safe(&it.name, 100).chars().count()));
            writeln!(f, "\nexports")?;
            for export in &self.exports {
                writeln!(f, "  {:width$}  {}", safe(&export.name, 100), export.item)?;
            }
        }
        if let Some(component) = &self.component {
            write_externs(f, "imports", &component.imports)?;
            write_externs(f, "exports", &component.exports)?;
        }
        if !self.custom_sections.is_empty() {
            writeln!(f, "\ncustom sections")?;
            let width =
                width(&mut self.custom_sections.iter().map(|(name, _)| safe(name, 100).chars().count()));
            for (name, size) in &self.custom_sections {
                writeln!(f, "  {:width$}  {}", safe(name, 100), bytes(*size))?;
            }
        }
        Ok(())
    }
}

impl Inspection {
    /// The facts and what is wrong, as `wappa inspect` prints them.
    pub fn report(&self, problems: &[Problem]) -> String {
        use fmt::Write;
        let mut out = self.to_string();
        let mut line = |text: &str| writeln!(out, "{text}").expect("writing to a string succeeds");
        line("");
        if problems.is_empty() {
            line("no problems");
            return out;
        }
        line("problems");
        for problem in problems {
            line(&format!("  {}: {}", problem.severity.name(), problem.text));
            if let Some(hint) = &problem.hint {
                line(&format!("    hint: {hint}"));
            }
        }
        out
    }

    /// Facts that fit on a line each.
    fn write_summary(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.is_text { ", as text" } else { "" };
        let mut row = |name: &str, text: String| writeln!(f, "{name:9} {text}");
        row("kind", format!("{}{form}", self.describe_kind()))?;
        row("tier", self.describe_tier())?;
        let rounded = if self.size < 1024 { String::new() } else { format!(" ({})", bytes(self.size)) };
        row("size", format!("{}{rounded}", bytes_exact(self.size)))?;
        row("sha256", self.sha256_text())?;
        if let Some(name) = &self.name {
            row("name", safe(name, 100))?;
        }
        let producers = self.describe_producers();
        if !producers.is_empty() {
            row("made by", producers)?;
        }
        row("code", format!("{}, {}", counted(self.functions.into(), "function"), bytes(self.code_bytes)))?;
        if self.memories.is_empty() {
            row("memory", "none".to_owned())?;
        }
        for memory in &self.memories {
            row("memory", self.describe_memory(memory))?;
        }
        for table in &self.tables {
            let max = table.elements_max.map_or("no maximum".to_owned(), |max| format!("at most {max}"));
            let imported = if table.is_imported { ", imported" } else { "" };
            row("table", format!("{}, {max}{imported}", counted(table.elements_min, "element")))?;
        }
        if self.component.is_some() {
            return Ok(());
        }
        row("start", self.describe_start())?;
        row("allocator", self.describe_allocators())
    }

    fn describe_kind(&self) -> String {
        match &self.component {
            Some(Component { is_wrapped: true, .. }) => {
                "core WebAssembly module with the types of a component, which it becomes when it is loaded"
                    .to_owned()
            }
            Some(component) => {
                format!("WebAssembly component of {}", counted(component.core_modules.into(), "core module"))
            }
            None => "core WebAssembly module".to_owned(),
        }
    }

    fn describe_tier(&self) -> String {
        match (self.tier(), &self.component) {
            (Tier::V0 | Tier::V1, _) if let Some(foreign) = self.foreign() => {
                format!("none: it is {}", foreign.noun())
            }
            (Tier::V0, _) if self.has_no_interface() => {
                "none: it imports no function of a guest interface, and exports none to call".to_owned()
            }
            (Tier::V0, _) => "guest interface v0".to_owned(),
            (Tier::V1, _) => format!("guest interface v1, of Wappa {} or newer", self.since()),
            (Tier::Component, Some(component)) => match component.world_version() {
                Some(version) => format!("component, of `{WORLD_PACKAGE}` {}", safe(version, 60)),
                None => "component, of another world".to_owned(),
            },
            (Tier::Component, None) => "component".to_owned(),
        }
    }

    fn describe_producers(&self) -> String {
        let mut parts = Vec::new();
        for it in &self.producers {
            let (name, version) = (safe(&it.name, 60), safe(&it.version, 60));
            parts.push(if version.is_empty() { name } else { format!("{name} {version}") });
        }
        parts.join(", ")
    }

    /// What runs in an instance before its first message.
    fn describe_start(&self) -> String {
        let mut steps = Vec::new();
        if self.has_start_section {
            steps.push("the start section");
        }
        // `_start` and `_initialize` are alternatives: which one a toolchain means, it exports alone.
        if self.exported_function("_start").is_some() {
            steps.push("`_start`");
        } else if self.exported_function("_initialize").is_some() {
            steps.push("`_initialize`");
        }
        if steps.is_empty() { "nothing".to_owned() } else { format!("runs {}", steps.join(", then ")) }
    }

    fn describe_allocators(&self) -> String {
        let names = ["allocate", "deallocate", "malloc", "free"];
        let found = names.into_iter().filter(|name| self.exported_function(name).is_some());
        let found: Vec<String> = found.map(|name| format!("`{name}`")).collect();
        if found.is_empty() { "none".to_owned() } else { found.join(", ") }
    }

    fn describe_memory(&self, memory: &Memory) -> String {
        let mut text = format!("{} ({})", counted(memory.pages_min, "page"), bytes(memory.bytes_min()));
        match memory.pages_max {
            Some(max) => {
                text += &format!(", at most {max} ({})", bytes(max.saturating_mul(memory.page_bytes)));
            }
            None => text += ", no maximum",
        }
        let flags = [
            (memory.is_imported, ", imported"),
            (memory.is_shared, ", shared"),
            (memory.is_64_bit, ", 64-bit"),
        ];
        text.extend(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag));
        match memory.exported_as.as_slice() {
            [] if memory.is_imported || self.component.is_some() => {}
            [] => text += ", not exported (the host finds it all the same)",
            names => {
                let names: Vec<String> = names.iter().map(|it| quoted(it)).collect();
                text += &format!(", exported as {}", names.join(", "));
            }
        }
        text
    }
}

/// Interfaces with their functions; those of WASI, which everyone knows and which are long, without.
fn write_externs(f: &mut fmt::Formatter<'_>, title: &str, externs: &[Extern]) -> fmt::Result {
    if externs.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    for it in externs {
        let name = safe(&it.name, 100);
        match &it.item {
            Item::Interface(functions) if it.name.starts_with("wasi:") => {
                writeln!(f, "  {name}  {}", counted(functions.len() as u64, "function"))?;
            }
            Item::Interface(functions) => {
                writeln!(f, "  {name}")?;
                for function in functions {
                    writeln!(f, "    {}: {}", safe(&function.name, 100), safe(&function.text, 300))?;
                }
            }
            Item::Function(function) => writeln!(f, "  {name}: {}", safe(&function.text, 300))?,
            other => {
                writeln!(f, "  {name}: {}", other.noun().split_once(' ').expect("a noun has an article").1)?
            }
        }
    }
    Ok(())
}
