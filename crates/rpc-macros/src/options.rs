//! The options of the attribute.

use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, Token};

/// `#[service(id = "..", ..)]`.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) id: Option<Expr>,
    pub(crate) name: Option<Expr>,
    pub(crate) service_type: Option<Expr>,
    pub(crate) description: Option<Expr>,
    pub(crate) docs: Option<Expr>,
    pub(crate) visibility: Option<Expr>,
    pub(crate) require_context: bool,
    pub(crate) singleton: bool,
    pub(crate) camel_case_aliases: bool,
    pub(crate) customize: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            let value = if input.peek(Token![=]) {
                input.parse::<Token![=]>()?;
                Some(input.parse::<Expr>()?)
            } else {
                None
            };
            options.set(&name, value)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if options.id.is_none() {
            return Err(input.error("`id` is missing: #[service(id = \"...\")]"));
        }
        Ok(options)
    }
}

impl Options {
    fn set(&mut self, name: &Ident, value: Option<Expr>) -> syn::Result<()> {
        let text = name.to_string();
        let slot = match text.as_str() {
            "id" => &mut self.id,
            "name" => &mut self.name,
            "type" | "service_type" => &mut self.service_type,
            "description" => &mut self.description,
            "docs" => &mut self.docs,
            "visibility" => &mut self.visibility,
            "customize" => &mut self.customize,
            "require_context" => return set_flag(&mut self.require_context, name, value),
            "singleton" => return set_flag(&mut self.singleton, name, value),
            "camel_case_aliases" => return set_flag(&mut self.camel_case_aliases, name, value),
            _ => {
                let message = "unknown option; expected one of id, name, service_type, description, docs, \
                               visibility, require_context, singleton, camel_case_aliases, customize";
                return Err(syn::Error::new(name.span(), message));
            }
        };
        *slot = Some(value.ok_or_else(|| syn::Error::new(name.span(), format!("`{text}` needs a value")))?);
        Ok(())
    }
}

fn set_flag(flag: &mut bool, name: &Ident, value: Option<Expr>) -> syn::Result<()> {
    match value {
        None => {
            *flag = true;
            Ok(())
        }
        Some(_) => Err(syn::Error::new(name.span(), format!("`{name}` takes no value"))),
    }
}
