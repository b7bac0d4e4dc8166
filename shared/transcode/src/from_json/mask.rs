//! Which fields a JSON body sets, for an update mask that the client left out.

use super::{Lexer, Parsed};
use crate::{
    error::{Fault, JsonError, Refusal},
    plan::{Label, MessageId, Plans, Shape},
};

/// How long the paths of a mask may be together, in bytes. Each repeats the names above it, so those of a
/// message that can hold itself could be a hundred times as long as the body.
const LONGEST: usize = 64 * 1024;

/// The paths so far.
#[derive(Default)]
struct Paths {
    paths: Vec<String>,
    bytes: usize,
}

impl Paths {
    fn push(&mut self, path: String, lexer: &Lexer<'_>) -> Parsed<()> {
        self.bytes += path.len();
        if self.bytes > LONGEST {
            let detail = "has too many members for an update mask to be made of them; give one";
            return Err(lexer.fail(Refusal::new(Fault::Range, detail)));
        }
        self.paths.push(path);
        Ok(())
    }
}

impl Plans {
    /// The paths in original names of the members of a message in its JSON form. Nested messages give
    /// the paths of their own members; lists, maps, well-known types, `null` and `{}` are the end of a
    /// path. Fields that only the service sets are left out. Fails where the paths are too long together.
    pub(crate) fn json_mask(&self, id: MessageId, json: &[u8]) -> Result<Vec<String>, JsonError> {
        let mut paths = Paths::default();
        let outcome =
            Lexer::new(json).and_then(|mut lexer| self.mask(id, "", 0, &mut lexer, &mut paths));
        outcome.map(|()| paths.paths).map_err(|error| *error)
    }

    fn mask(
        &self,
        id: MessageId,
        prefix: &str,
        depth: u32,
        lexer: &mut Lexer<'_>,
        paths: &mut Paths,
    ) -> Parsed<()> {
        lexer.deeper(depth)?;
        lexer.expect(b'{', "must be an object")?;
        if lexer.eat(b'}') {
            // An empty object stands for itself, unless it is the whole body.
            if !prefix.is_empty() {
                paths.push(prefix.to_owned(), lexer)?;
            }
            return Ok(());
        }
        loop {
            let name = lexer.name()?;
            match self.field(id, &name) {
                Some(field) if !field.output_only => {
                    let path = match prefix {
                        "" => field.name.to_string(),
                        prefix => format!("{prefix}.{}", field.name),
                    };
                    match field.kind.message() {
                        Some(inner)
                            if field.label == Label::Singular
                                && self.get(inner).shape == Shape::Object
                                && lexer.peek() == Some(b'{') =>
                        {
                            self.mask(inner, &path, depth + 1, lexer, paths)?;
                        }
                        _ => {
                            lexer.skip(depth + 1)?;
                            paths.push(path, lexer)?;
                        }
                    }
                }
                _ => lexer.skip(depth + 1)?,
            }
            if !lexer.more(b'}')? {
                return Ok(());
            }
        }
    }
}
