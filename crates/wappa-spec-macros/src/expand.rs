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
    let shape = match &input.fields {
        Fields::Named(fields) => object(&fields.named.iter().collect::<Vec<_>>())?,
        Fields::Unit => object(&[])?,
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => body(&fields.unnamed[0])?,
        Fields::Unnamed(fields) => {
            return Err(Error::new_spanned(fields, "a body that is no object is one field"));
        }
    };
    let ident = &input.ident;
    let doc = doc(&input.attrs)?;
    let functions = LintFunctions::read(&input.attrs)?;
    let Shape { fields, ty, default, read } = shape;
    let read = match functions.whole.is_some() || functions.broken.is_some() {
        true => {
            let whole = functions.whole.iter();
            let broken = functions.broken.iter();
            quote! {
                let n_stand_ins = reader.n_stand_ins();
                let mut read_all = || -> ::core::option::Option<Self> {
                    ::core::option::Option::Some({ #read })
                };
                let config = read_all();
                if reader.is_linting() {
                    match &config {
                        ::core::option::Option::Some(config) if reader.n_stand_ins() == n_stand_ins => {
                            let _ = config;
                            #(#whole(config, node, reader);)*
                        }
                        _ => {
                            #(#broken(node, reader);)*
                        }
                    }
                }
                config
            }
        }
        false => quote!(::core::option::Option::Some({ #read })),
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
    })
}

/// The parts of the implementations that depend on the shape of the struct.
struct Shape {
    fields: TokenStream,
    ty: TokenStream,
    default: TokenStream,
    /// An expression of the config, which may return early.
    read: TokenStream,
}

fn object(fields: &[&Field]) -> Result<Shape> {
    let mut constants = Vec::new();
    let mut slots = Vec::new();
    let mut functions = Vec::new();
    let mut arms = Vec::new();
    let mut absents = Vec::new();
    let mut values = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let attributes = FieldAttributes::read(&field.attrs)?;
        let ident = field.ident.as_ref().expect("the fields of an object have names");
        let slot = format_ident!("slot_{}", ident.unraw());
        let ty = &field.ty;
        let reader = reader_of(ty, &attributes)?;
        constants.push(constant(field, ident, &attributes)?);
        slots.push(quote!(let mut #slot: ::core::option::Option<#ty> = ::core::option::Option::None;));
        let function = format_ident!("read_{index}");
        functions.push(function_of(&function, ty, &reader));
        arms.push(quote!(#index => #slot = #function(value, reader),));
        absents.push(quote!(if #slot.is_none() {
            #slot = fields.absent(#index, reader, #function);
        }));
        values.push(quote!(#ident: #slot?));
    }
    let constants = quote!(&[#(#constants),*]);
    let construct = if fields.is_empty() { quote!(Self {}) } else { quote!(Self { #(#values),* }) };
    Ok(Shape {
        ty: quote!(::wappa_spec::Type::Object(<Self as ::wappa_spec::Config>::FIELDS)),
        default: quote!(::core::option::Option::Some("{}")),
        fields: constants,
        read: quote! {
            let empty = ::wappa_spec::Node::empty_map(node.pos);
            let mut fields = reader.fields(node, &empty, <Self as ::wappa_spec::Config>::FIELDS)?;
            #(#functions)*
            #(#slots)*
            while let ::core::option::Option::Some((index, value)) = fields.next(reader) {
                let _ = value;
                match index {
                    #(#arms)*
                    _ => {}
                }
            }
            #(#absents)*
            #construct
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

fn body(field: &Field) -> Result<Shape> {
    let attributes = FieldAttributes::read(&field.attrs)?;
    let ty = &field.ty;
    let constant = constant(field, &format_ident!("body"), &attributes)?;
    let function = function_of(&format_ident!("read"), ty, &reader_of(ty, &attributes)?);
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
            Self(reader.body(node, BODY, read)?)
        },
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
