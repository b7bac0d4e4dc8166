use tracing::{Instrument, info_span};

use crate::{
    domain::{Cursor, Listing, Page, PageSize, TotalSize},
    error::Result,
    users::Users,
};

impl Users {
    /// One page of a list.
    pub async fn list(
        &self,
        listing: &Listing,
        behind: Option<&Cursor>,
        size: PageSize,
    ) -> Result<Page> {
        let page = self.storage.page(listing, behind, size);
        Ok(page.instrument(info_span!("list-users")).await?)
    }

    /// How many accounts a list has, as far as they are counted.
    pub async fn total_size(&self, listing: &Listing) -> Result<TotalSize> {
        Ok(self.storage.total_size(listing).await?)
    }
}
