use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn later() -> Instant {
    Instant::now() + SOON
}

/// A gate of which every place is taken.
async fn taken(most: usize) -> (Gate, Vec<Permit>) {
    let gate = Gate::new("test", most);
    let mut permits = Vec::new();
    for _ in 0..most {
        permits.push(gate.enter(Priority::PublicRead, later()).await.unwrap());
    }
    (gate, permits)
}

/// Starts to wait.
async fn waiting(
    gate: &Gate,
    priority: Priority,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Permit, Overloaded>>>> {
    let gate = gate.clone();
    let mut waiting: std::pin::Pin<Box<dyn Future<Output = _>>> =
        Box::pin(async move { gate.enter(priority, later()).await });
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    waiting
}

#[tokio::test]
async fn who_matters_most_goes_first() {
    let (gate, mut permits) = taken(1).await;
    let read = waiting(&gate, Priority::Read).await;
    let sign_in = waiting(&gate, Priority::SignIn).await;
    drop(permits.pop());
    let permit = sign_in.await.unwrap();
    drop(permit);
    read.await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_long() {
    let (gate, permits) = taken(2).await;
    let began = Instant::now();
    let refused = gate.enter(Priority::SignIn, later()).await;
    assert_eq!(refused.unwrap_err(), Overloaded);
    assert!(began.elapsed() >= PATIENCE);
    drop(permits);
    assert_eq!(gate.0.borrow().in_flight, 0);
    gate.enter(Priority::PublicRead, later()).await.unwrap();
}

#[tokio::test]
async fn who_matters_least_is_refused_when_the_queue_is_full() {
    let (gate, mut permits) = taken(1).await;
    let mut reads = Vec::new();
    for _ in 0..FEWEST_WAITING {
        reads.push(waiting(&gate, Priority::PublicRead).await);
    }
    assert!(gate.is_hopeless(Priority::PublicRead));
    let refused = gate.enter(Priority::PublicRead, later()).await;
    assert_eq!(refused.unwrap_err(), Overloaded);
    assert!(!gate.is_hopeless(Priority::SignIn));
    let sign_in = waiting(&gate, Priority::SignIn).await;
    let evicted = reads.pop().unwrap();
    assert_eq!(evicted.await.unwrap_err(), Overloaded);
    drop(permits.pop());
    sign_in.await.unwrap();
}

#[tokio::test]
async fn who_goes_away_gives_the_place_back() {
    let (gate, mut permits) = taken(1).await;
    for _ in 0..10 * MOST_WAITING {
        drop(waiting(&gate, Priority::Read).await);
    }
    let read = waiting(&gate, Priority::Read).await;
    let told = waiting(&gate, Priority::SignIn).await;
    drop(permits.pop());
    // A permit that was sent to one who then goes.
    drop(told);
    read.await.unwrap();
    assert_eq!(gate.0.borrow().in_flight, 0);
}

#[test]
fn the_policy_says_what_a_call_is_worth() {
    let policy = |access, idempotent| Policy {
        access,
        idempotent,
        ..Policy::default()
    };
    let public = |idempotent| Priority::of(&policy(Access::Public, idempotent));
    let own = |idempotent| Priority::of(&policy(Access::Authenticated, idempotent));
    assert!(public(true) < own(true));
    assert!(own(true) < own(false));
    assert!(own(false) < public(false));
}
