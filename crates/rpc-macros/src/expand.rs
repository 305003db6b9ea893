//! Writing the implementation of the trait.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, ExprLit, ImplItem, ItemImpl, Lit};

use crate::function::{self, Function, doc_text};
use crate::options::Options;

/// The block as it was, and the implementation of `Service`.
pub(crate) fn expand(options: &Options, mut item: ItemImpl) -> syn::Result<TokenStream> {
    if let Some((_, path, _)) = &item.trait_ {
        return Err(syn::Error::new_spanned(
            path,
            "a service is made of an inherent `impl` block",
        ));
    }
    let mut functions = Vec::new();
    for member in &mut item.items {
        if let ImplItem::Fn(method) = member {
            functions.extend(function::read(method)?);
        }
    }
    let spec = spec(options, &item, &functions)?;
    let arms = functions
        .iter()
        .map(|function| function.call_arm(&names(options, function)));
    let ty = &item.self_ty;
    let (generics, _, clause) = item.generics.split_for_impl();
    Ok(quote! {
        #[allow(unreachable_pub, reason = "the visibility of a method says whether it is a function of the service")]
        #item

        #[automatically_derived]
        impl #generics ::hypha_rpc::Service for #ty #clause {
            fn spec(&self) -> ::hypha_rpc::ServiceSpec {
                #spec
            }

            fn call<'a>(
                &'a self,
                context: ::hypha_rpc::CallContext,
                method: &'a str,
                args: ::hypha_rpc::CallArgs,
            ) -> ::hypha_rpc::macros::BoxFuture<
                'a,
                ::core::result::Result<::hypha_rpc::Value, ::hypha_rpc::RemoteFailure>,
            > {
                match method {
                    #(#arms)*
                    _ => {
                        let failure = ::hypha_rpc::RemoteFailure::key(::std::format!("Function not found: {method}"));
                        ::std::boxed::Box::pin(::core::future::ready(::core::result::Result::Err(failure)))
                    }
                }
            }
        }
    })
}

fn spec(options: &Options, item: &ItemImpl, functions: &[Function]) -> syn::Result<TokenStream> {
    let id = &options.id;
    let text = |field: TokenStream, value: &Option<Expr>| {
        value.as_ref().map(|value| {
            quote! { spec.#field = ::core::option::Option::Some(::core::convert::Into::into(#value)); }
        })
    };
    let name = text(quote!(name), &options.name);
    let service_type = text(quote!(service_type), &options.service_type);
    let docs = text(quote!(docs), &options.docs);
    let description = match (&options.description, doc_text(&item.attrs)) {
        (None, Some(doc)) => Some(quote! {
            spec.description = ::core::option::Option::Some(::core::convert::Into::into(#doc));
        }),
        (description, _) => text(quote!(description), description),
    };
    let visibility = match &options.visibility {
        Some(visibility) => {
            let visibility = self::visibility(visibility)?;
            Some(quote! { spec.config.visibility = #visibility; })
        }
        None => None,
    };
    let require_context = options
        .require_context
        .then(|| quote! { spec.config.require_context = ::hypha_rpc::RequireContext::All; });
    let singleton = options
        .singleton
        .then(|| quote! { spec.config.singleton = true; });
    let customize = options
        .customize
        .as_ref()
        .map(|customize| quote! { self.#customize(&mut spec); });
    let entries = functions.iter().map(|function| {
        let doc = function::option(function.doc.as_deref());
        let schema = function.schema();
        let names = names(options, function);
        quote! {{
            let parameters = #schema;
            #(spec.functions.push(::hypha_rpc::FunctionSpec {
                name: ::std::borrow::Cow::Borrowed(#names),
                doc: #doc,
                parameters: ::core::option::Option::Some(::core::clone::Clone::clone(&parameters)),
            });)*
        }}
    });
    Ok(quote! {
        let mut spec = ::hypha_rpc::ServiceSpec::new(#id);
        #name
        #service_type
        #description
        #docs
        #visibility
        #require_context
        #singleton
        #(#entries)*
        #customize
        spec
    })
}

/// A literal is checked here; anything else must be a `Visibility`.
fn visibility(value: &Expr) -> syn::Result<TokenStream> {
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text), ..
    }) = value
    else {
        return Ok(quote! { #value });
    };
    match text.value().as_str() {
        "public" => Ok(quote! { ::hypha_rpc::Visibility::Public }),
        "protected" => Ok(quote! { ::hypha_rpc::Visibility::Protected }),
        "unlisted" => Ok(quote! { ::hypha_rpc::Visibility::Unlisted }),
        _ => Err(syn::Error::new(
            text.span(),
            "expected \"public\", \"protected\" or \"unlisted\"",
        )),
    }
}

/// The names a function is listed under.
fn names(options: &Options, function: &Function) -> Vec<String> {
    let mut names = vec![function.name.clone()];
    let camel = camel_case(&function.name);
    if options.camel_case_aliases && camel != function.name {
        names.push(camel);
    }
    names
}

/// `get_file` to `getFile`; leading underscores stay.
fn camel_case(name: &str) -> String {
    let stem = name.trim_start_matches('_');
    let mut camel = name[..name.len() - stem.len()].to_owned();
    let mut upper = false;
    for c in stem.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            camel.extend(c.to_uppercase());
            upper = false;
        } else {
            camel.push(c);
        }
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camel_case_keeps_what_it_must() {
        for (name, camel) in [
            ("get_file", "getFile"),
            ("add", "add"),
            ("_x_y", "_xY"),
            ("files.read_all", "files.readAll"),
        ] {
            assert_eq!(camel_case(name), camel);
        }
    }
}
