//! The mails that lie in a folder.

use std::fs;

use super::World;

/// A mail, as far as tests look into it.
#[derive(Clone, Debug)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    /// The plain half.
    pub text: String,
}

impl Letter {
    /// Reads a mail as it goes over the wire. What our mails say is plain ASCII, so it is not encoded.
    pub fn read(mail: &str) -> Self {
        let mail = mail.replace("\r\n", "\n");
        let (head, body) = mail.split_once("\n\n").expect("a head and a body");
        let head = head.replace("\n ", " ");
        let field = |name: &str| {
            let mut lines = head.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value
                .unwrap_or_else(|| panic!("no {name}: {head}"))
                .to_owned()
        };
        let plain = body.split("text/plain").nth(1).expect("a plain half");
        let plain = plain.split_once("\n\n").expect("a body").1;
        Self {
            to: field("To"),
            subject: field("Subject"),
            text: plain.split("\n--").next().unwrap_or_default().to_owned(),
        }
    }

    /// The token of its link.
    pub fn token(&self) -> String {
        let rest = self.text.split("token=").nth(1);
        let rest = rest.unwrap_or_else(|| panic!("no link: {}", self.text));
        let token: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
        assert_eq!(token.len(), 43, "{}", self.text);
        token
    }
}

impl World {
    /// The mails with a subject to an address, the oldest first, as far as they are there.
    pub fn mails_now(&self, subject: &str, to: &str) -> Vec<Letter> {
        let mut files: Vec<_> = fs::read_dir(self.mails.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "eml"))
            .map(|path| {
                let written = fs::metadata(&path).and_then(|it| it.modified());
                (written.expect("a time"), path)
            })
            .collect();
        files.sort_unstable();
        files
            .into_iter()
            .map(|(_, path)| Letter::read(&fs::read_to_string(path).expect("a mail")))
            .filter(|letter| letter.subject == subject && letter.to == to)
            .collect()
    }

    /// So many mails with a subject to an address, waited for.
    pub async fn mails(&self, subject: &str, to: &str, count: usize) -> Vec<Letter> {
        let what = format!("there are {count} mails {subject:?} to {to}");
        let there = async || self.mails_now(subject, to).len() >= count;
        self.until(&what, there).await;
        self.mails_now(subject, to)
    }

    /// The one mail with a subject to an address, waited for.
    pub async fn mail(&self, subject: &str, to: &str) -> Letter {
        self.mails(subject, to, 1).await.remove(0)
    }
}
