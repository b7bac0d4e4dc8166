//! The journeys: what people do with Portico, run against every shape of it.
//!
//! With `E2E_URL=http://…` (and `E2E_ADMIN_EMAIL`, `E2E_ADMIN_PASSWORD`) the same journeys run against
//! a system that is already up, and the other tests of this file stand back.

mod accounts;
mod client;
mod crash;
mod crash_points;
mod grpc;
mod machines;
mod mails;
mod mounting;
mod moving;
mod outage;
mod process;
mod refusals;
mod restart;
mod roles;
mod second_factor;
mod sign_in;
mod telemetry;
mod world;

use std::{pin::Pin, rc::Rc};

use tokio::task::{LocalSet, spawn_local};
use world::World;

type Journey = for<'w> fn(&'w World) -> Pin<Box<dyn Future<Output = ()> + 'w>>;

macro_rules! journeys {
    ($($module:ident :: $name:ident,)*) => {
        const JOURNEYS: &[(&str, Journey)] = &[
            $((stringify!($name), |world| Box::pin($module::$name(world))),)*
        ];
    };
}

journeys! {
    accounts::a_person_registers_signs_in_and_changes_her_account,
    accounts::an_administrator_lists_and_a_plain_user_is_refused,
    accounts::an_administrator_creates_an_account_once,
    accounts::a_suspended_account_is_out_until_it_is_reactivated,
    accounts::the_last_administrator_stays,
    accounts::a_deleted_account_is_gone_and_its_address_stays_taken,
    roles::a_role_is_made_granted_felt_and_taken_away,
    roles::what_is_built_in_stays,
    moving::accounts_come_in_line_by_line_and_sign_in,
    moving::what_goes_out_comes_in_again,
    moving::changes_are_watched_and_taken_up_again,
    moving::accounts_are_filtered_searched_and_paged,
    moving::a_command_moves_accounts_in_and_out,
    sign_in::a_used_refresh_token_ends_its_family,
    sign_in::logout_is_immediate,
    sign_in::sessions_are_listed_and_ended,
    sign_in::a_scope_can_be_narrowed,
    sign_in::registration_and_sign_in_do_not_tell_who_exists,
    mails::a_forgotten_password_is_replaced_by_a_link_in_a_mail,
    mails::an_address_is_verified_and_changed_by_links_in_mails,
    mails::a_changed_password_ends_the_other_sessions,
    sign_in::the_key_set_is_public_and_cacheable,
    second_factor::a_person_enrols_a_factor_and_signs_in_with_it,
    second_factor::an_administrator_takes_a_lost_factor_away,
    machines::a_client_acts_for_itself_until_it_is_deleted,
    machines::the_token_endpoint_answers_as_oauth_says,
    machines::a_session_is_refreshed_by_oauth_too,
    machines::an_api_key_speaks_for_its_owner_until_it_is_revoked,
    machines::a_suspended_owners_key_is_dead,
    machines::a_service_account_acts_by_its_key,
    refusals::a_malformed_body_is_refused,
    refusals::a_field_that_breaks_its_rule_is_named,
    refusals::an_unknown_id_is_not_found,
    refusals::what_http_forbids_is_refused,
    refusals::a_token_that_is_not_ours_is_refused,
    refusals::what_is_internal_is_not_routed,
    refusals::health_and_readiness_answer,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standalone_passes_on_sqlite() {
    if world::running().is_none() {
        run(World::standalone(&[]).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standalone_passes_on_postgres_and_redis() {
    let servers = (portico_testing::postgres(), portico_testing::redis());
    if let (None, (Some(postgres), Some(redis))) = (world::running(), servers) {
        let settings = [
            ("USER__DATABASE_URL", postgres.database()),
            ("AUTH__DATABASE_URL", postgres.database()),
            ("CACHE__REDIS_URL", redis.url()),
        ];
        run(World::standalone(&settings).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_pass_on_postgres_and_redis() {
    if world::running().is_none()
        && let Some(world) = World::three_processes().await
    {
        run(world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_system_passes() {
    if let Some(world) = world::running() {
        run(world).await;
    }
}

/// Runs every journey at once, since a real system is not used by one person at a time either.
async fn run(world: World) {
    let (world, failed) = go_through(world).await;
    assert!(
        failed.is_empty(),
        "{} of {} journeys failed: {failed:?}",
        failed.len(),
        JOURNEYS.len()
    );
    world.stop().await;
}

/// Lets a system see everything, for a test that is about something else: how each journey ends is not its
/// business, as long as most were gone to their end.
async fn exercise(world: World) -> World {
    let (world, failed) = go_through(world).await;
    assert!(failed.len() * 5 < JOURNEYS.len(), "most failed: {failed:?}");
    world
}

async fn go_through(world: World) -> (World, Vec<&'static str>) {
    let world = Rc::new(world);
    let failed = LocalSet::new().run_until(failures(&world)).await;
    let world = Rc::into_inner(world).expect("every journey is over");
    (world, failed)
}

async fn failures(world: &Rc<World>) -> Vec<&'static str> {
    let mut running = Vec::new();
    for &(name, journey) in JOURNEYS {
        let world = Rc::clone(world);
        running.push((name, spawn_local(async move { journey(&world).await })));
    }
    let mut failed = Vec::new();
    for (name, journey) in running {
        if journey.await.is_err() {
            failed.push(name);
        }
    }
    failed
}
