use prost_types::FieldMask;
use tonic::Code;
use tonic_types::StatusExt;

use super::{Validate, only, said};
use crate::{
    auth::v1::{ListSessionsRequest, LoginRequest, RegisterRequest},
    error::Reason,
    user::v1::{
        BatchGetUsersRequest, CreateUserRequest, GetUserRequest, ListUsersRequest,
        UpdateUserRequest, User, UserEvent, WatchRequest, user_event::Change,
    },
};

const ID: &str = "0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a8b";

fn registration(email: &str, password: &str) -> RegisterRequest {
    RegisterRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        ..RegisterRequest::default()
    }
}

#[test]
fn an_address_is_taken_or_refused_as_html_does() {
    for good in [
        "a@b",
        "jane.doe+x@example.com",
        "o'neil@sub.example.co.uk",
        "x@1.2",
    ] {
        assert_eq!(said(&registration(good, "12345678")), [""; 0], "{good}");
    }
    for bad in [
        "",
        "jane",
        "@example.com",
        "jane@",
        "a b@c.d",
        "a@b..c",
        "a@-b.c",
        "a@b.c-",
        "a@b_c",
        "a@b.c\n",
        "a@b\u{e4}.de",
        "a@b@c",
        "Jane <jane@example.com>",
    ] {
        assert_eq!(
            only(&registration(bad, "12345678")),
            "email: is no e-mail address; one such as name@example.com is accepted",
            "{bad:?}"
        );
    }
}

#[test]
fn a_length_counts_characters_where_the_rule_says_so() {
    assert_eq!(
        said(&registration(
            "a@b",
            "\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}"
        )),
        [""; 0]
    );
    assert_eq!(
        only(&registration(
            "a@b",
            "\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}"
        )),
        "password: is 7 characters long where at least 8 are accepted"
    );
    assert_eq!(said(&registration("a@b", &"\u{fc}".repeat(512))), [""; 0]);
    assert_eq!(
        only(&registration("a@b", &"x".repeat(513))),
        "password: is 513 characters long where at most 512 are accepted"
    );
}

#[test]
fn a_length_counts_bytes_where_the_rule_says_so() {
    let login = |email: String| LoginRequest {
        email,
        password: "x".to_owned(),
        ..LoginRequest::default()
    };
    assert_eq!(said(&login("\u{fc}".repeat(127))), [""; 0]);
    assert_eq!(
        only(&login("\u{fc}".repeat(128))),
        "email: is 256 bytes long where at most 254 are accepted"
    );
}

#[test]
fn every_broken_rule_is_reported_and_no_value_repeated() {
    let request = RegisterRequest {
        email: "secret-address".to_owned(),
        password: "hunter2".to_owned(),
        display_name: "a\nb".to_owned(),
    };
    let said = said(&request);
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(
        said[2],
        r"display_name: does not match the pattern ^[^\x00-\x1f\x7f-\x9f]*$"
    );
    for value in ["secret-address", "hunter2", "a\nb"] {
        assert!(!said.concat().contains(value));
    }
}

#[test]
fn a_plain_field_is_checked_even_when_it_was_not_sent() {
    assert_eq!(
        said(&LoginRequest::default()),
        [
            "email: is empty where at least 1 is accepted",
            "password: is empty where at least 1 is accepted"
        ]
    );
    assert!(only(&GetUserRequest::default()).starts_with("id: does not match the pattern"));
}

#[test]
fn an_empty_value_may_be_let_through() {
    let request = |user_id: &str| ListSessionsRequest {
        user_id: user_id.to_owned(),
    };
    assert_eq!(said(&request("")), [""; 0]);
    assert_eq!(said(&request("me")), [""; 0]);
    assert_eq!(said(&request(ID)), [""; 0]);
    for bad in ["you", "me ", "me\n", "0192d3a05f7c7d1e8a4b3c2d1e0f9a8b"] {
        assert!(only(&request(bad)).starts_with("user_id: "), "{bad:?}");
    }
}

#[test]
fn a_message_inside_is_required_and_checked() {
    assert_eq!(
        only(&CreateUserRequest::default()),
        "user: is missing, and must be given"
    );
    let request = CreateUserRequest {
        user: Some(User {
            email: "jane".to_owned(),
            roles: vec![
                "auditor".to_owned(),
                "Boss".to_owned(),
                "auditor".to_owned(),
            ],
            ..User::default()
        }),
        request_id: "a b".to_owned(),
    };
    assert_eq!(
        said(&request),
        [
            "user.email: is no e-mail address; one such as name@example.com is accepted",
            "user.roles[2]: repeats an item before it, where each may be given once",
            "user.roles[1]: does not match the pattern ^[a-z][a-z0-9-]{0,62}$",
            "request_id: does not match the pattern ^[!-~]{1,128}$",
        ]
    );
}

#[test]
fn the_address_may_be_left_out_of_an_update() {
    let request = UpdateUserRequest {
        user: Some(User {
            id: "me".to_owned(),
            locale: "de-AT".to_owned(),
            time_zone: "Europe/Vienna".to_owned(),
            ..User::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["locale".to_owned()],
        }),
    };
    assert_eq!(said(&request), [""; 0]);
}

#[test]
fn items_are_counted_and_checked_by_index() {
    let request = |ids: Vec<&str>| BatchGetUsersRequest {
        ids: ids.into_iter().map(str::to_owned).collect(),
        read_mask: None,
    };
    assert_eq!(said(&request(vec![ID; 100])), [""; 0]);
    assert_eq!(
        only(&request(vec![])),
        "ids: holds no item where at least 1 must be given"
    );
    assert_eq!(
        only(&request(vec![ID, "me"])),
        "ids[1]: is no UUID; one such as 0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a8b is accepted"
    );
    for bad in [
        "",
        "0192d3a05f7c7d1e8a4b3c2d1e0f9a8b",
        "0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a8g",
        "{0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a8}",
        "0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a8b\n",
        "0192d3a0-5f7c-7d1e-8a4b-3c2d1e0f9a\u{fc}",
    ] {
        assert!(
            only(&request(vec![bad])).starts_with("ids[0]: is no UUID"),
            "{bad:?}"
        );
    }
}

#[test]
fn too_many_items_are_counted_and_not_looked_into() {
    let request = BatchGetUsersRequest {
        ids: vec!["x".to_owned(); 101],
        read_mask: None,
    };
    assert_eq!(
        only(&request),
        "ids: holds 101 items where at most 100 may be given"
    );
}

#[test]
fn a_report_ends_before_it_fills_the_head_of_an_answer() {
    let request = BatchGetUsersRequest {
        ids: vec!["x".to_owned(); 100],
        read_mask: None,
    };
    assert_eq!(request.violations().len(), 32);
    let status = request.validate().unwrap_err();
    assert!(
        status.details().len() < 8 * 1024,
        "{}",
        status.details().len()
    );
}

#[test]
fn numbers_have_bounds() {
    let page = |page_size| ListUsersRequest {
        page_size,
        ..ListUsersRequest::default()
    };
    for good in [0, 1, 1000] {
        assert_eq!(said(&page(good)), [""; 0], "{good}");
    }
    assert_eq!(
        only(&page(-1)),
        "page_size: is below 0, the least value that is accepted"
    );
    assert_eq!(
        only(&page(1001)),
        "page_size: is above 1000, the greatest value that is accepted"
    );
    assert_eq!(
        only(&WatchRequest { after: i64::MIN }),
        "after: is below 0, the least value that is accepted"
    );
}

#[test]
fn messages_in_a_oneof_are_checked() {
    let event = UserEvent {
        change: Some(Change::User(crate::user::v1::UserChange {
            user: Some(User {
                email: "jane".to_owned(),
                ..User::default()
            }),
            revision: 1,
        })),
        ..UserEvent::default()
    };
    assert!(only(&event).starts_with("user.user.email: is no e-mail address"));
}

#[test]
fn a_status_names_the_reason_and_the_fields() {
    let status = registration("jane", "short").validate().unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(Reason::of(&status), Some(Reason::InvalidArgument));
    let fields: Vec<String> = status
        .get_details_bad_request()
        .unwrap()
        .field_violations
        .into_iter()
        .map(|violation| violation.field)
        .collect();
    assert_eq!(fields, ["email", "password"]);
    assert!(
        registration("jane@example.com", "long enough")
            .validate()
            .is_ok()
    );
}
