//! Writes the two implementations.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Error, Field, Fields, GenericArgument, Ident, ItemStruct, LitStr, PathArguments, Result, Type};

use crate::attributes::{FieldAttributes, LintFunctions, doc};

pub(crate) fn config(input: &ItemStruct) -> Result<TokenStream> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new_spanned(parameter, "a config has no parameters"));
    }
    let ident = &input.ident;
    let doc = doc(&input.attrs)?;
    let functions = LintFunctions::read(&input.attrs)?;
    let Shape { fields, ty, default, read, object } = match &input.fields {
        Fields::Named(fields) => object(input, &fields.named.iter().collect::<Vec<_>>(), &functions)?,
        Fields::Unit => object(input, &[], &functions)?,
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => body(&fields.unnamed[0], &functions)?,
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(fields, "a body that is no object is one field"));
        }
    };
    Ok(quote! {
        impl ::wappa_spec::Value for #ident {
            const TYPE: ::wappa_spec::Type = #ty;
            const DEFAULT: ::core::option::Option<&'static str> = #default;

            fn read(
                node: &::wappa_spec::Node,
                reader: &mut ::wappa_spec::Reader<'_>,
            ) -> ::core::option::Option<Self> {
                #read
            }
        }

        impl ::wappa_spec::Config for #ident {
            const DOC: &'static str = #doc;
            const FIELDS: &'static [::wappa_spec::Field] = #fields;
        }

        #object
    })
}

/// The parts of the implementations that depend on the shape of the struct.
struct Shape {
    fields: TokenStream,
    ty: TokenStream,
    default: TokenStream,
    /// An expression of the config, or of none.
    read: TokenStream,
    /// How an object is read, field by field.
    object: TokenStream,
}

/// What the fields of an object bring into its implementation.
#[derive(Default)]
struct Parts {
    /// Where each field begins among all of them.
    starts: Vec<TokenStream>,
    /// Lists of fields.
    constants: Vec<TokenStream>,
    /// What is kept of each while the object is read.
    slots: Vec<TokenStream>,
    /// Functions that read values.
    functions: Vec<TokenStream>,
    /// What becomes of a value, by the index of its field.
    arms: Vec<TokenStream>,
    /// What each is in the end.
    completed: Vec<TokenStream>,
    /// The lints of the configs whose fields it has.
    lints: Vec<TokenStream>,
    /// The same, where not everything could be read.
    broken: Vec<TokenStream>,
}

impl Parts {
    /// A field that begins there.
    fn add_field(
        &mut self,
        field: &Field,
        ident: &Ident,
        attributes: &FieldAttributes,
        start: &Ident,
    ) -> Result<()> {
        let ty = &field.ty;
        let (read, completed) = (format_ident!("read_{}", ident.unraw()), completed_ident(ident));
        let constant = constant(field, ident, attributes)?;
        self.constants.push(quote!(&[#constant]));
        self.slots.push(quote!(#ident: ::core::option::Option<#ty>));
        self.functions.push(function_of(&read, ty, &reader_of(ty, attributes)?));
        self.arms.push(quote!(#start => slots.#ident = #read(value, reader),));
        self.completed.push(quote! {
            let #completed = match slots.#ident {
                ::core::option::Option::Some(value) => ::core::option::Option::Some(value),
                ::core::option::Option::None => fields.absent(base + #start, reader, #read),
            };
        });
        Ok(())
    }

    /// The fields of another config, which begin there and end there.
    fn add_config(
        &mut self,
        ty: &Type,
        ident: &Ident,
        attributes: &FieldAttributes,
        (start, end): (&Ident, &Ident),
    ) {
        let config = quote!(<#ty as ::wappa_spec::Object>);
        let completed = completed_ident(ident);
        let mut fields = quote!(<#ty as ::wappa_spec::Config>::FIELDS);
        for (name, default) in &attributes.defaults {
            let name = name.unraw().to_string();
            fields = quote!({
                const WITHOUT: &[::wappa_spec::Field] = #fields;
                &::wappa_spec::Field::with_default::<{ WITHOUT.len() }>(WITHOUT, #name, #default)
            });
        }
        self.constants.push(fields);
        self.slots.push(quote!(#ident: #config::Slots));
        self.arms.push(quote! {
            #start..#end => #config::take(&mut slots.#ident, index - #start, value, reader),
        });
        self.completed.push(quote! {
            let #completed = #config::complete(slots.#ident, base + #start, fields, reader);
        });
        self.lints.push(quote!(#config::lint(&self.#ident, node, reader);));
        self.broken.push(quote!(#config::lint_broken(node, reader);));
    }
}

/// The variable that holds what a field is in the end.
fn completed_ident(field: &Ident) -> Ident {
    format_ident!("completed_{}", field.unraw())
}

fn object(input: &ItemStruct, fields: &[&Field], functions: &LintFunctions) -> Result<Shape> {
    let mut parts = Parts::default();
    let mut idents = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let attributes = FieldAttributes::read(&field.attrs)?;
        let ident = field.ident.as_ref().expect("the fields of an object have names");
        let (start, end) = (format_ident!("START_{index}"), format_ident!("START_{}", index + 1));
        let n_fields = if attributes.is_flattened {
            let ty = &field.ty;
            parts.add_config(ty, ident, &attributes, (&start, &end));
            quote!(<#ty as ::wappa_spec::Config>::FIELDS.len())
        } else {
            parts.add_field(field, ident, &attributes, &start)?;
            quote!(1)
        };
        parts.starts.push(quote!(const #end: usize = #start + #n_fields;));
        idents.push(ident);
    }
    let Parts { starts, constants, slots, functions: reading, arms, completed, lints, broken } = parts;
    let (vis, ident) = (&input.vis, &input.ident);
    let slots_ident = format_ident!("{ident}Slots");
    let completed_idents = idents.iter().map(|it| completed_ident(it));
    let (whole, own_broken) = (functions.whole.iter(), functions.broken.iter());
    Ok(Shape {
        ty: quote!(::wappa_spec::Type::Object(<Self as ::wappa_spec::Config>::FIELDS)),
        default: quote!(::core::option::Option::Some("{}")),
        fields: quote!({
            const PARTS: &[&[::wappa_spec::Field]] = &[#(#constants),*];
            &::wappa_spec::Field::joined::<{ ::wappa_spec::Field::n_of(PARTS) }>(PARTS)
        }),
        read: quote!(::wappa_spec::read_object(node, reader)),
        object: quote! {
            const _: () = {
                const START_0: usize = 0;
                #(#starts)*
                #(#reading)*

                #[derive(::core::default::Default)]
                #vis struct #slots_ident { #(#slots),* }

                #[allow(unused_variables)]
                impl ::wappa_spec::Object for #ident {
                    type Slots = #slots_ident;

                    fn take(
                        slots: &mut Self::Slots,
                        index: usize,
                        value: &::wappa_spec::Node,
                        reader: &mut ::wappa_spec::Reader<'_>,
                    ) {
                        match index {
                            #(#arms)*
                            _ => {}
                        }
                    }

                    fn complete(
                        slots: Self::Slots,
                        base: usize,
                        fields: &::wappa_spec::Fields<'_>,
                        reader: &mut ::wappa_spec::Reader<'_>,
                    ) -> ::core::option::Option<Self> {
                        #(#completed)*
                        ::core::option::Option::Some(Self { #(#idents: #completed_idents?),* })
                    }

                    fn lint(&self, node: &::wappa_spec::Node, reader: &mut ::wappa_spec::Reader<'_>) {
                        #(#lints)*
                        #(#whole(self, node, reader);)*
                    }

                    fn lint_broken(node: &::wappa_spec::Node, reader: &mut ::wappa_spec::Reader<'_>) {
                        #(#broken)*
                        #(#own_broken(node, reader);)*
                    }
                }
            };
        },
    })
}

/// A function that reads one value.
fn function_of(name: &Ident, ty: &Type, body: &TokenStream) -> TokenStream {
    quote! {
        fn #name(
            node: &::wappa_spec::Node,
            reader: &mut ::wappa_spec::Reader<'_>,
        ) -> ::core::option::Option<#ty> {
            #body
        }
    }
}

fn body(field: &Field, functions: &LintFunctions) -> Result<Shape> {
    let attributes = FieldAttributes::read(&field.attrs)?;
    let ty = &field.ty;
    let constant = constant(field, &format_ident!("body"), &attributes)?;
    let function = function_of(&format_ident!("read"), ty, &reader_of(ty, &attributes)?);
    let (whole, broken) = (functions.whole.iter(), functions.broken.iter());
    Ok(Shape {
        fields: quote!(&[]),
        ty: quote!({
            const BODY: ::wappa_spec::Field = #constant;
            BODY.ty
        }),
        default: quote!({
            const BODY: ::wappa_spec::Field = #constant;
            BODY.default
        }),
        read: quote! {
            const BODY: &[::wappa_spec::Field] = &[#constant];
            #function
            ::wappa_spec::read_linted(
                reader,
                |reader| reader.body(node, BODY, read).map(Self),
                |config, reader| {
                    let _ = (config, &reader);
                    #(#whole(config, node, reader);)*
                },
                |reader| {
                    let _ = &reader;
                    #(#broken(node, reader);)*
                },
            )
        },
        object: TokenStream::new(),
    })
}

/// The constant that describes a field.
fn constant(field: &Field, ident: &Ident, attributes: &FieldAttributes) -> Result<TokenStream> {
    let ty = &field.ty;
    let name = match &attributes.name {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    };
    let doc = doc(&field.attrs)?;
    let value = quote!(<#ty as ::wappa_spec::Value>);
    let is_child = attributes.child.is_some();
    let described = match &attributes.child {
        Some(kind) => {
            let kind = kind_of(kind)?;
            let child = quote!(::wappa_spec::Type::Component(#kind));
            match wrapper(ty) {
                Some(("Vec", _)) => quote!(::wappa_spec::Type::Array(&#child)),
                _ => child,
            }
        }
        None => quote!(#value::TYPE),
    };
    let is_option = matches!(wrapper(ty), Some(("Option", _)));
    let default = match (&attributes.default, is_child, wrapper(ty)) {
        (Some(text), ..) => quote!(::core::option::Option::Some(#text)),
        (None, true, Some(("Vec", _))) => quote!(::core::option::Option::Some("[]")),
        (None, true, _) => quote!(::core::option::Option::None),
        (None, false, _) => quote!(#value::DEFAULT),
    };
    let is_optional = attributes.is_optional || is_option;
    let optional = if is_child { quote!(#is_optional) } else { quote!(#is_optional || #value::OPTIONAL) };
    let is_secret = attributes.is_secret;
    let secret = if is_child { quote!(#is_secret) } else { quote!(#is_secret || #value::SECRET) };
    let FieldAttributes { examples, options, is_advanced, is_deprecated, .. } = attributes;
    let is_bento = !attributes.is_ours;
    let since = match &attributes.since {
        Some(version) => quote!(::core::option::Option::Some(#version)),
        None => quote!(::core::option::Option::None),
    };
    Ok(quote! {
        ::wappa_spec::Field {
            name: #name,
            doc: #doc,
            ty: #described,
            default: #default,
            examples: &[#(#examples),*],
            options: &[#(#options),*],
            advanced: #is_advanced,
            deprecated: #is_deprecated,
            optional: #optional,
            secret: #secret,
            bento: #is_bento,
            since: #since,
        }
    })
}

/// The body of the function that reads a field's value from `node`.
fn reader_of(ty: &Type, attributes: &FieldAttributes) -> Result<TokenStream> {
    if let Some(kind) = &attributes.label_of {
        // Where there need not be one, the empty text is none, as in Bento.
        let is_optional = matches!(wrapper(ty), Some(("Option", _)));
        let is_empty = attributes.default.as_ref().is_some_and(|it| it.value() == "\"\"");
        let may_be_none = is_optional || is_empty && kind.value() == "rate_limit";
        let kind = kind_of(kind)?;
        return Ok(quote! {
            if !#may_be_none || node.as_str() != ::core::option::Option::Some("") {
                reader.refer(#kind, node);
            }
            <#ty as ::wappa_spec::Value>::read(node, reader)
        });
    }
    let Some(kind) = &attributes.child else {
        let options = &attributes.options;
        if options.is_empty() {
            return Ok(quote!(<#ty as ::wappa_spec::Value>::read(node, reader)));
        }
        return Ok(quote! {
            let value = <#ty as ::wappa_spec::Value>::read(node, reader)?;
            ::core::option::Option::Some(::wappa_spec::Options::canonical(value, &[#(#options),*]))
        });
    };
    let kind = kind_of(kind)?;
    let method = match wrapper(ty) {
        Some(("Vec", _)) if attributes.is_resource => quote!(resources),
        Some(("Vec", _)) => quote!(children),
        Some(("Option", _)) => quote!(optional_child),
        _ => quote!(child),
    };
    Ok(quote!(reader.#method(#kind, node)))
}

fn kind_of(kind: &LitStr) -> Result<TokenStream> {
    let variant = match kind.value().as_str() {
        "input" => quote!(Input),
        "processor" => quote!(Processor),
        "output" => quote!(Output),
        "cache" => quote!(Cache),
        "rate_limit" => quote!(RateLimit),
        "buffer" => quote!(Buffer),
        "metrics" => quote!(Metrics),
        "tracer" => quote!(Tracer),
        "scanner" => quote!(Scanner),
        _ => return Err(Error::new_spanned(kind, "no kind of component")),
    };
    Ok(quote!(::wappa_spec::ComponentKind::#variant))
}

/// The `Vec` or `Option` around a type, and what is inside.
fn wrapper(ty: &Type) -> Option<(&'static str, &Type)> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last()?;
    let name = if segment.ident == "Vec" {
        "Vec"
    } else if segment.ident == "Option" {
        "Option"
    } else {
        return None;
    };
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some((name, inner)),
        _ => None,
    }
}
