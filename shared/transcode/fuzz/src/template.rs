//! Path templates, and the router that finds them.

use portico_transcode::{Found, Router, Template};

/// A line with a method and a path, and lines of methods and templates.
pub fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text
        .lines()
        .map(|line| line.split_once(' ').unwrap_or((line, "")));
    let Some((method, path)) = lines.next() else {
        return;
    };
    let routes: Vec<(&str, &str)> = lines.take(12).filter(|(_, line)| parses(line)).collect();
    let forwards = found(routes.iter(), method, path);
    // Which of two routes has a path depends on the routes alone, and not on who came first.
    let unique = routes.iter().enumerate().all(|(index, route)| {
        let mut one = Router::builder();
        routes[..index]
            .iter()
            .chain([route])
            .all(|(method, template)| one.add(method, template, template, ()).is_ok())
    });
    if unique {
        assert_eq!(forwards, found(routes.iter().rev(), method, path));
    }
    match forwards {
        // A route that is found among others is found alone, with the same captures.
        Outcome::Route { .. } => {
            let alone: Vec<Outcome> = routes
                .iter()
                .map(|route| found([route].into_iter(), method, path))
                .collect();
            assert!(alone.contains(&forwards), "{forwards:?} {alone:?}");
        }
        // What none has together, none has alone.
        Outcome::NotFound => {
            for route in &routes {
                let alone = found([route].into_iter(), method, path);
                assert_eq!(alone, Outcome::NotFound, "{route:?}");
            }
        }
        Outcome::NotAllowed { allow } => {
            assert!(allow.is_sorted() && allow.contains(&"OPTIONS".to_owned()));
            assert!(!allow.contains(&"*".to_owned()), "{allow:?}");
            assert!(method == "OPTIONS" || !allow.contains(&method.to_owned()));
        }
    }
}

/// Whether it is a template. Then it is also one when it is written again.
fn parses(template: &str) -> bool {
    let Ok(parsed) = Template::parse(template) else {
        return false;
    };
    assert_eq!(parsed.as_str(), template);
    assert_eq!(Template::parse(&parsed.to_string()), Ok(parsed));
    true
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Route {
        template: String,
        captures: Vec<(String, bool)>,
    },
    NotAllowed {
        allow: Vec<String>,
    },
    NotFound,
}

fn found<'r>(
    routes: impl Iterator<Item = &'r (&'r str, &'r str)>,
    method: &str,
    path: &str,
) -> Outcome {
    let mut builder = Router::builder();
    for (method, template) in routes {
        // One that is taken leaves the others as they are.
        let _ = builder.add(method, template, template, format!("{method} {template}"));
    }
    match builder.build().find(method, path) {
        Found::Route { value, captures } => Outcome::Route {
            template: value.clone(),
            captures: captures
                .iter()
                .inspect(|capture| assert!(path.contains(capture.raw)))
                .map(|capture| (capture.raw.to_owned(), capture.multi))
                .collect(),
        },
        Found::MethodNotAllowed { allow } => Outcome::NotAllowed {
            allow: allow.into_iter().map(str::to_owned).collect(),
        },
        Found::NotFound => Outcome::NotFound,
    }
}
