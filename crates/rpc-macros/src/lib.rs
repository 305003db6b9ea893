//! The `service` attribute of `hypha-rpc`, which turns an `impl` block into a service.
//!
//! Use it through `hypha_rpc::service`, where its options are documented.

mod expand;
mod function;
mod options;

use proc_macro::TokenStream;
use syn::parse_macro_input;

/// Implements `hypha_rpc::Service` for a type from the public methods of an `impl` block.
///
/// See `hypha_rpc::service` for the options.
#[proc_macro_attribute]
pub fn service(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(attribute as options::Options);
    let item = parse_macro_input!(item as syn::ItemImpl);
    expand::expand(&options, item)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
