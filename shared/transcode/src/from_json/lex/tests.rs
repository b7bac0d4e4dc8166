use super::*;

fn string(json: &str) -> Result<String, Fault> {
    let mut lexer = Lexer::new(json.as_bytes()).expect("UTF-8");
    let text = lexer.string().map_err(|e| e.fault)?.into_owned();
    lexer.end().map_err(|e| e.fault)?;
    Ok(text)
}

#[test]
fn strings_end_where_they_end_at_every_alignment() {
    for length in 0..40 {
        let text = "xé€😀~".repeat(10).chars().take(length).collect::<String>();
        assert_eq!(string(&format!("\"{text}\"")).as_ref(), Ok(&text));
        assert_eq!(
            string(&format!("\"{text}\\n{text}\"")),
            Ok(format!("{text}\n{text}"))
        );
        assert_eq!(string(&format!("\"{text}\u{1f}\"")), Err(Fault::Syntax));
        assert_eq!(string(&format!("\"{text}")), Err(Fault::Syntax));
    }
}

#[test]
fn every_escape_is_read() {
    assert_eq!(
        string(r#""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\u0000""#).as_deref(),
        Ok("\"\\/\u{8}\u{c}\n\r\té😀\0")
    );
    for bad in [r#""\x""#, r#""\u12""#, r#""\u12g4""#, r#""\"#, r#""\u"#] {
        assert_eq!(string(bad), Err(Fault::Syntax), "{bad}");
    }
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    for bad in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud800x""#,
    ] {
        assert_eq!(string(bad), Err(Fault::Encoding), "{bad}");
    }
}

#[test]
fn any_value_can_be_passed_over() {
    let json = br#" { "a" : [ 1 , -2.5e3, true , false, null, "x\"" , { } , [ ] ] } "#;
    let mut lexer = Lexer::new(json).expect("UTF-8");
    lexer.skip(0).expect("JSON");
    lexer.end().expect("nothing follows");
    for bad in [
        "{",
        "[1",
        "[1 2]",
        "{\"a\"}",
        "{a:1}",
        "tru",
        "01x",
        "[,]",
        "{,}",
        "[1,]",
        "{\"a\":1,}",
    ] {
        let mut lexer = Lexer::new(bad.as_bytes()).expect("UTF-8");
        let outcome = lexer.skip(0).and_then(|()| lexer.end());
        assert_eq!(outcome.expect_err(bad).fault, Fault::Syntax, "{bad}");
    }
}

#[test]
fn passing_over_is_bounded_in_depth() {
    let mut fine = Lexer::new(&[b'['; 100]).expect("UTF-8");
    assert_eq!(fine.skip(0).expect_err("no end").fault, Fault::Syntax);
    let mut deep = Lexer::new(&[b'['; 101]).expect("UTF-8");
    assert_eq!(deep.skip(0).expect_err("too deep").fault, Fault::Depth);
}
