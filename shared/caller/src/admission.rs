//! Letting in: the check at the edge, and the proof that a handler holds.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use portico_proto::error::Reason;
use tonic::{Request, Status};
use tracing::error;

use crate::{Access, Caller, Policy, Refusal};

/// What stands for the caller's own id.
const ME: &str = "me";

/// Whether a call may pass as far as its token tells.
///
/// A policy with a `self` field cannot be decided without the request's content, so its scopes are not
/// asked for here: the service decides with [`Admission::own_or_scoped`].
pub fn admit(policy: &Policy, caller: Option<&Caller>) -> Result<(), Refusal> {
    if policy.access == Access::Public {
        return Ok(());
    }
    let caller = caller.ok_or(Refusal::Missing)?;
    if policy.access == Access::Internal && !caller.service {
        return Err(Refusal::Internal);
    }
    match policy.self_field {
        Some(_) => Ok(()),
        None => caller.holds_all(&policy.scopes),
    }
}

/// The proof that a call passed the [`Guard`](crate::Guard), and the way to its caller.
///
/// A method whose policy has a `self` field gives its caller away only for the id that it is about, and
/// the guard turns its answer into an error when nobody asked: a handler that forgets cannot go
/// unnoticed.
#[derive(Clone, Debug)]
pub struct Admission {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    caller: Option<Arc<Caller>>,
    /// The scopes that somebody else's id needs, when that is still to be decided.
    undecided: Option<Vec<String>>,
    asked: AtomicBool,
}

impl Admission {
    /// The proof for a caller that [`admit`] lets in.
    pub(crate) fn new(policy: &Policy, caller: Option<Arc<Caller>>) -> Result<Self, Refusal> {
        admit(policy, caller.as_deref())?;
        let undecided = policy.access != Access::Public && policy.self_field.is_some();
        Ok(Self {
            inner: Arc::new(Inner {
                caller,
                undecided: undecided.then(|| policy.scopes.clone()),
                asked: AtomicBool::new(false),
            }),
        })
    }

    /// The proof of a request.
    ///
    /// # Errors
    ///
    /// `INTERNAL` when no guard stands before the handler.
    pub fn of<T>(request: &Request<T>) -> Result<&Self, Status> {
        request
            .extensions()
            .get()
            .ok_or_else(|| misuse("the method is served without a guard"))
    }

    /// The proof of a request and its message, for handlers that keep both.
    pub fn split<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let admission = Self::of(&request)?.clone();
        Ok((admission, request.into_inner()))
    }

    /// The caller, for methods without a `self` field.
    ///
    /// # Errors
    ///
    /// `INTERNAL` for a method with a `self` field, and for a public one that nobody signed in to.
    pub fn caller(&self) -> Result<&Caller, Status> {
        if self.inner.undecided.is_some() {
            return Err(misuse("a method with a self field asked for its caller"));
        }
        let caller = self.inner.caller.as_deref();
        caller.ok_or_else(|| misuse("a public method asked for its caller"))
    }

    /// The caller of a public method, when it came with a good token. None for a method with a `self`
    /// field.
    pub fn maybe_caller(&self) -> Option<&Caller> {
        match self.inner.undecided {
            Some(_) => None,
            None => self.inner.caller.as_deref(),
        }
    }

    /// The caller, when the id is its own, `me` or empty, or when it holds the scopes that the policy
    /// asks of everybody else. Without such scopes in the policy, somebody else's id is refused.
    ///
    /// Somebody's API key reads what is its owner's, where strangers need a scope that ends in `:read`. To change
    /// anything of it, it needs the scopes: a key allows what it was given.
    ///
    /// # Errors
    ///
    /// `INSUFFICIENT_SCOPE` otherwise, and `INTERNAL` for a method without a `self` field.
    pub fn own_or_scoped(&self, id: &str) -> Result<&Caller, Status> {
        let (Some(scopes), Some(caller)) = (&self.inner.undecided, self.inner.caller.as_deref())
        else {
            return Err(misuse("a method without a self field asked whose it is"));
        };
        self.inner.asked.store(true, Ordering::Release);
        let own = id.is_empty() || id == ME || caller.is(id);
        if own && (!caller.is_key() || only_reads(scopes)) {
            return Ok(caller);
        }
        if scopes.is_empty() {
            return Err(Refusal::Foreign.into());
        }
        caller.holds_all(scopes)?;
        Ok(caller)
    }

    /// As [`own_or_scoped`](Self::own_or_scoped), with the id that is meant: the caller's own for `me`
    /// and for an empty one.
    pub fn resolve(&self, id: &str) -> Result<(&Caller, String), Status> {
        let caller = self.own_or_scoped(id)?;
        let own = id.is_empty() || id == ME || caller.is(id);
        let id = if own { &caller.subject } else { id };
        Ok((caller, id.to_owned()))
    }

    /// Whether somebody should have asked whose it is, and nobody did.
    pub(crate) fn forgotten(&self) -> bool {
        self.inner.undecided.is_some() && !self.inner.asked.load(Ordering::Acquire)
    }
}

/// Whether whoever holds no more than these scopes changes nothing.
fn only_reads(scopes: &[String]) -> bool {
    !scopes.is_empty() && scopes.iter().all(|scope| scope.ends_with(":read"))
}

/// A fault of the handler, not of the call.
pub(crate) fn misuse(fault: &'static str) -> Status {
    error!(fault, "a handler misuses its admission");
    Reason::Internal.status("the service made a mistake")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Audience;

    const ADA: &str = "0190a5f0-0000-7000-8000-00000000000a";

    fn admitted(session: &str, held: &str, asked: &[&str]) -> Admission {
        let caller = Caller {
            subject: ADA.to_owned(),
            session: Some(session.to_owned()),
            token_id: "1".to_owned(),
            audience: Audience::One("portico".to_owned()),
            client_id: "portico".to_owned(),
            scopes: [held].into_iter().collect(),
            roles: Vec::new(),
            auth_time: None,
            acr: None,
            issued_at: 0,
            expires_at: 0,
            service: false,
        };
        let policy = Policy {
            access: Access::Authenticated,
            scopes: asked.iter().map(ToString::to_string).collect(),
            self_field: Some("id".to_owned()),
            ..Policy::default()
        };
        Admission::new(&policy, Some(Arc::new(caller))).expect("is let in")
    }

    #[test]
    fn a_key_reads_what_is_its_owners_and_changes_nothing_without_the_scope() {
        let (key, person) = ("key:1:0", "0190a5f0-0000-7000-8000-000000000001");
        let read: &[_] = &["users:read"];
        for asked in [&["users:write"][..], &["users:read", "users:write"], &[]] {
            for id in [ADA, "me", ""] {
                let refused = admitted(key, "orders:read", asked).own_or_scoped(id).err();
                let reason = refused.as_ref().and_then(Reason::of);
                assert_eq!(reason, Some(Reason::InsufficientScope), "{asked:?} {id}");
                assert!(admitted(key, "", read).own_or_scoped(id).is_ok());
                assert!(admitted(person, "", asked).own_or_scoped(id).is_ok());
            }
        }
        let given = admitted(key, "users:write", &["users:write"]);
        assert!(given.own_or_scoped("me").is_ok());
        assert!(admitted(key, "", read).own_or_scoped("another").is_err());
    }
}
