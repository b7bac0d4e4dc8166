/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In use.
    Active,
    /// Kept out by an administrator.
    Suspended,
    /// Deleted; only its address stays taken.
    Deleted,
}
