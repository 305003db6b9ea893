//! Listing a bucket, and deleting a folder of it.

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;

use super::{S3, meta, unavailable};
use crate::error::Error;
use crate::key::Prefix;
use crate::object::{Entry, Listing};

/// Most lines that servers give at once.
const PAGE: usize = 1000;

impl S3 {
    /// A page of a folder, in byte order.
    pub(crate) async fn page(
        &self,
        prefix: &Prefix,
        folded: bool,
        start_after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut after = start_after.map(str::to_owned);
        while listing.entries.len() < limit {
            let want = PAGE.min(limit - listing.entries.len());
            let options = PaginatedListOptions {
                // After a folder is after all that is in it.
                offset: after.as_ref().map(|after| match after.ends_with('/') && folded {
                    true => format!("{after}{}", char::MAX),
                    false => after.clone(),
                }),
                delimiter: folded.then_some("/".into()),
                max_keys: Some(want),
                ..PaginatedListOptions::default()
            };
            let prefix = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
            let page = self
                .store
                .list_paginated(prefix, options)
                .await
                .map_err(unavailable)?;
            let is_last = page.page_token.is_none();
            let mut entries: Vec<_> = page
                .result
                .objects
                .iter()
                .map(|found| Entry::File {
                    key: found.location.to_string(),
                    meta: meta(found),
                })
                .chain(
                    page.result
                        .common_prefixes
                        .iter()
                        .map(|path| Entry::Folder(format!("{path}/"))),
                )
                .collect();
            entries.sort_by(|one, two| one.position().cmp(two.position()));
            after = entries.last().map(|entry| entry.position().to_owned());
            listing.entries.extend(entries);
            if is_last || after.is_none() {
                return Ok(listing);
            }
        }
        listing.next = after;
        Ok(listing)
    }

    /// Deletes the objects of a folder; how many there were.
    pub(crate) async fn delete_prefix(&self, prefix: &Prefix) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let page = self.page(prefix, false, None, PAGE).await?;
            if page.entries.is_empty() {
                return Ok(deleted);
            }
            let paths = page.entries.iter().map(|entry| Path::parse(entry.position()));
            let paths: Vec<_> = paths
                .collect::<Result<_, _>>()
                .map_err(|error| Error::Unavailable(error.to_string()))?;
            let count = paths.len() as u64;
            self.delete_all(paths).await?;
            deleted += count;
            if page.next.is_none() {
                return Ok(deleted);
            }
        }
    }
}
