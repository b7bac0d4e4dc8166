use crate::{
    domain::{Account, Cursor, PageSize},
    error::Result,
    users::Users,
};

impl Users {
    /// One page of accounts, oldest first, and the place where the next page begins. One statement.
    pub async fn list(
        &self,
        behind: Option<Cursor>,
        size: PageSize,
    ) -> Result<(Vec<Account>, Option<Cursor>)> {
        // One more than asked for tells whether there is a next page.
        let mut accounts = self.storage.page(behind, size.get() + 1).await?;
        let more = accounts.len() > size.get();
        accounts.truncate(size.get());
        let next = accounts.last().filter(|_| more).map(Cursor::behind);
        Ok((accounts, next))
    }
}
