//! Reads `#[config(…)]` attributes and doc comments.

use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitBool, LitStr, Meta, Path, Result, Token, parenthesized,
};

/// What `#[config(…)]` says about a field.
#[derive(Default)]
pub(crate) struct FieldAttributes {
    pub(crate) name: Option<LitStr>,
    pub(crate) default: Option<LitStr>,
    pub(crate) examples: Vec<LitStr>,
    pub(crate) options: Vec<LitStr>,
    pub(crate) since: Option<LitStr>,
    pub(crate) child: Option<LitStr>,
    pub(crate) label_of: Option<LitStr>,
    pub(crate) defaults: Vec<(Ident, LitStr)>,
    pub(crate) is_flattened: bool,
    pub(crate) is_resource: bool,
    pub(crate) is_advanced: bool,
    pub(crate) is_deprecated: bool,
    pub(crate) is_optional: bool,
    pub(crate) is_secret: bool,
    pub(crate) is_ours: bool,
}

impl FieldAttributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<FieldAttributes> {
        let mut read = FieldAttributes::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("config")) {
            attribute.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match key.as_str() {
                    "name" => read.name = Some(meta.value()?.parse()?),
                    "default" => read.default = Some(meta.value()?.parse()?),
                    "example" => read.examples.push(meta.value()?.parse()?),
                    "since" => read.since = Some(meta.value()?.parse()?),
                    "label_of" => read.label_of = Some(meta.value()?.parse()?),
                    "child" => read.child = Some(meta.value()?.parse()?),
                    "options" => {
                        let content;
                        parenthesized!(content in meta.input);
                        let options = Punctuated::<LitStr, Token![,]>::parse_terminated(&content)?;
                        read.options.extend(options);
                    }
                    "defaults" => meta.parse_nested_meta(|of| {
                        let field = of.path.require_ident()?.clone();
                        read.defaults.push((field, of.value()?.parse()?));
                        Ok(())
                    })?,
                    "bento" => {
                        let value: LitBool = meta.value()?.parse()?;
                        read.is_ours = !value.value;
                    }
                    "flatten" => read.is_flattened = true,
                    "resource" => read.is_resource = true,
                    "advanced" => read.is_advanced = true,
                    "deprecated" => read.is_deprecated = true,
                    "optional" => read.is_optional = true,
                    "secret" => read.is_secret = true,
                    _ => return Err(meta.error("no attribute of a config's field")),
                }
                Ok(())
            })?;
        }
        Ok(read)
    }
}

/// The functions that `#[config(…)]` on a struct names.
#[derive(Default)]
pub(crate) struct LintFunctions {
    /// `lint = …`
    pub(crate) whole: Option<Path>,
    /// `lint_broken = …`
    pub(crate) broken: Option<Path>,
}

impl LintFunctions {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<LintFunctions> {
        let mut functions = LintFunctions::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("config")) {
            attribute.parse_nested_meta(|meta| {
                let function = if meta.path.is_ident("lint") {
                    &mut functions.whole
                } else if meta.path.is_ident("lint_broken") {
                    &mut functions.broken
                } else {
                    return Err(meta.error("no attribute of a config"));
                };
                *function = Some(meta.value()?.parse()?);
                Ok(())
            })?;
        }
        Ok(functions)
    }
}

/// The text of a doc comment, without the blank that follows each `///`.
pub(crate) fn doc(attributes: &[Attribute]) -> Result<String> {
    let mut lines = Vec::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("doc")) {
        let Meta::NameValue(meta) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &meta.value else {
            return Err(Error::new_spanned(&meta.value, "a doc comment of a config must be a text"));
        };
        let text = text.value();
        lines.extend(text.split('\n').map(|it| it.strip_prefix(' ').unwrap_or(it).trim_end().to_string()));
    }
    Ok(lines.join("\n").trim().to_string())
}
