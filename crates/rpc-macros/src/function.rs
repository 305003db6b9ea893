//! One method of the `impl` block: its name, documentation, parameters and result.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Attribute, Expr, ExprLit, FnArg, Ident, ImplItemFn, Lit, LitStr, Meta, Pat, ReturnType, Type, Visibility,
};

/// A method that becomes a function of the service.
pub(crate) struct Function {
    method: Ident,
    pub(crate) name: String,
    pub(crate) doc: Option<String>,
    params: Vec<Param>,
    /// The arguments of the method in order: the context or a parameter.
    arguments: Vec<Argument>,
    is_async: bool,
    returns_result: bool,
}

enum Argument {
    ContextByReference,
    Context,
    /// Index into the parameters; true when the method takes a reference.
    Param(usize, bool),
}

struct Param {
    name: String,
    ty: Type,
    optional: bool,
    default: Option<Expr>,
    doc: Option<String>,
}

/// Reads a method and takes off the attributes that are this macro's; `None` for a method that is not exposed.
pub(crate) fn read(method: &mut ImplItemFn) -> syn::Result<Option<Function>> {
    let options = MethodOptions::take(&mut method.attrs)?;
    let exposed =
        !matches!(method.vis, Visibility::Inherited) && method.sig.receiver().is_some() && !options.skip;
    let mut params = Vec::new();
    let mut arguments = Vec::new();
    for input in &mut method.sig.inputs {
        let FnArg::Typed(input) = input else { continue };
        let options = ParamOptions::take(&mut input.attrs)?;
        if !exposed {
            continue;
        }
        let (ty, by_reference) = match &*input.ty {
            Type::Reference(reference) => ((*reference.elem).clone(), true),
            ty => (ty.clone(), false),
        };
        if last_segment(&ty).is_some_and(|ident| ident == "CallContext") {
            arguments.push(if by_reference {
                Argument::ContextByReference
            } else {
                Argument::Context
            });
            continue;
        }
        let Pat::Ident(pattern) = &*input.pat else {
            return Err(syn::Error::new_spanned(
                &input.pat,
                "a parameter of a service function must be a plain name",
            ));
        };
        let name = options
            .name
            .unwrap_or_else(|| pattern.ident.to_string().trim_start_matches("r#").to_owned());
        arguments.push(Argument::Param(params.len(), by_reference));
        params.push(Param {
            name,
            optional: last_segment(&ty).is_some_and(|ident| ident == "Option"),
            ty: owned(ty),
            default: options.default,
            doc: options.doc,
        });
    }
    if !exposed {
        return Ok(None);
    }
    if let Some(generic) = method.sig.generics.type_params().next() {
        return Err(syn::Error::new_spanned(
            generic,
            "a service function cannot be generic",
        ));
    }
    let returns_result = match &method.sig.output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => last_segment(ty).is_some_and(|ident| ident == "Result"),
    };
    Ok(Some(Function {
        method: method.sig.ident.clone(),
        name: options
            .name
            .unwrap_or_else(|| method.sig.ident.to_string().trim_start_matches("r#").to_owned()),
        doc: doc_text(&method.attrs),
        params,
        arguments,
        is_async: method.sig.asyncness.is_some(),
        returns_result,
    }))
}

impl Function {
    /// The arm of `call` that runs the method.
    pub(crate) fn call_arm(&self, names: &[String]) -> TokenStream {
        let name = &self.name;
        let index = 0..self.params.len();
        let variables: Vec<Ident> = index.clone().map(|index| format_ident!("arg{index}")).collect();
        let params = self.params.iter().map(Param::spec);
        let decode = self
            .params
            .iter()
            .zip(&variables)
            .zip(index)
            .map(|((param, variable), index)| {
                let Param {
                    name, ty, default, ..
                } = param;
                match default {
                    None => quote! { let #variable: #ty = context.decode_arg(#name, bound.take(#index))?; },
                    Some(default) => quote! {
                        let #variable: #ty = match context.decode_arg(#name, bound.take(#index))? {
                            ::core::option::Option::Some(value) => value,
                            ::core::option::Option::None => ::core::convert::Into::into(#default),
                        };
                    },
                }
            });
        let arguments = self.arguments.iter().map(|argument| match argument {
            Argument::ContextByReference => quote! { &context },
            Argument::Context => quote! { ::core::clone::Clone::clone(&context) },
            Argument::Param(index, by_reference) => {
                let variable = &variables[*index];
                if *by_reference {
                    quote! { &#variable }
                } else {
                    quote! { #variable }
                }
            }
        });
        let method = &self.method;
        let mut output = quote! { self.#method(#(#arguments),*) };
        if self.is_async {
            output = quote! { #output.await };
        }
        let result = if self.returns_result {
            quote! {
                match #output {
                    ::core::result::Result::Ok(output) => context.encode(&output),
                    ::core::result::Result::Err(error) => {
                        #[allow(unused_imports, reason = "which one applies depends on the type of the error")]
                        use ::hypha_rpc::macros::{ViaDisplay as _, ViaInto as _};
                        ::core::result::Result::Err(::hypha_rpc::macros::Failed(error).into_failure())
                    }
                }
            }
        } else {
            quote! { context.encode(&#output) }
        };
        quote! {
            #(#names)|* => {
                static PARAMS: ::std::sync::OnceLock<::std::vec::Vec<::hypha_rpc::ParamSpec>> =
                    ::std::sync::OnceLock::new();
                let params = PARAMS.get_or_init(|| ::std::vec![#(#params),*]);
                ::std::boxed::Box::pin(async move {
                    #[allow(unused_mut, reason = "a function may have no parameters")]
                    let mut bound = args.bind(#name, params)?;
                    #(#decode)*
                    #result
                })
            }
        }
    }

    /// The JSON schema of the parameters.
    pub(crate) fn schema(&self) -> TokenStream {
        let params = self.params.iter().map(|param| {
            let Param {
                name,
                ty,
                default,
                doc,
                ..
            } = param;
            let required = param.required();
            let doc = option(doc.as_deref());
            let default = match default {
                Some(default) => quote! {{
                    let default: #ty = ::core::convert::Into::into(#default);
                    ::hypha_rpc::wire::to_value(&default).ok()
                }},
                None => quote! { ::core::option::Option::None },
            };
            let schema = schema_of(ty);
            quote! { .param(#name, #schema, #required, #doc, #default) }
        });
        quote! { ::hypha_rpc::macros::Parameters::new()#(#params)*.build() }
    }
}

impl Param {
    fn required(&self) -> bool {
        !self.optional && self.default.is_none()
    }

    fn spec(&self) -> TokenStream {
        let Self { name, ty, .. } = self;
        let required = self.required();
        let schema = schema_of(ty);
        quote! { ::hypha_rpc::macros::param_spec(#name, &#schema, #required) }
    }
}

/// The schema of a type, or the one that everything fits.
fn schema_of(ty: &Type) -> TokenStream {
    quote! {{
        #[allow(unused_imports, reason = "which one applies depends on the type")]
        use ::hypha_rpc::macros::{ViaAny as _, ViaSchema as _};
        (&::hypha_rpc::macros::Probe::<#ty>::new()).schema()
    }}
}

/// `Some("text")` or `None`.
pub(crate) fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote! { ::core::option::Option::Some(::std::borrow::Cow::Borrowed(#text)) },
        None => quote! { ::core::option::Option::None },
    }
}

/// The owned type that a parameter behind a reference is decoded to.
fn owned(ty: Type) -> Type {
    match &ty {
        Type::Slice(slice) => {
            let item = &slice.elem;
            syn::parse_quote! { ::std::vec::Vec<#item> }
        }
        _ if last_segment(&ty).is_some_and(|ident| ident == "str") => {
            syn::parse_quote! { ::std::string::String }
        }
        _ => ty,
    }
}

fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        Type::Reference(reference) => last_segment(&reference.elem),
        _ => None,
    }
}

/// The text of `///` comments, without the blank after the slashes.
pub(crate) fn doc_text(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
    let text = lines.join("\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => {
                let text = text.value();
                Some(text.strip_prefix(' ').unwrap_or(&text).to_owned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// `#[rpc(skip)]` and `#[rpc(name = "..")]` on a method.
#[derive(Default)]
struct MethodOptions {
    skip: bool,
    name: Option<String>,
}

impl MethodOptions {
    fn take(attributes: &mut Vec<Attribute>) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("rpc")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    options.skip = true;
                } else if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(meta.error("expected `skip` or `name = \"...\"`"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}

/// `#[arg(default = ..)]`, `#[arg(name = "..")]` and `///` on a parameter.
#[derive(Default)]
struct ParamOptions {
    default: Option<Expr>,
    name: Option<String>,
    doc: Option<String>,
}

impl ParamOptions {
    fn take(attributes: &mut Vec<Attribute>) -> syn::Result<Self> {
        let mut options = Self {
            doc: doc_text(attributes),
            ..Self::default()
        };
        attributes.retain(|attribute| !attribute.path().is_ident("doc"));
        for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("arg")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    options.default = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("name") {
                    options.name = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(meta.error("expected `default = ...` or `name = \"...\"`"));
                }
                Ok(())
            })?;
        }
        Ok(options)
    }
}
