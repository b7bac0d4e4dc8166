use super::*;

/// Made by other implementations: the reference argon2 (also before version 19), Python's `hashlib`
/// (`OpenSSL`), and libxcrypt.
const VECTORS: [(&str, &str); 7] = [
    (
        "password",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
    ),
    (
        "password",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
    ),
    (
        "password",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ),
    (
        "correct horse",
        "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
    ),
    (
        "correct horse",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
    ),
    (
        "correct horse",
        "$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg$OM0FAoIqCVK1sWtxDiffVlBejtLa+ks4TP71JiecwuSZCG8iLbnlIEPOMoVX+i2B2wkSxjQ8CRGR9OkNGuIPMQ",
    ),
    (
        "correct horse",
        "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    ),
];

fn parse(text: &str) -> Result<Scheme, Unusable> {
    Scheme::parse(text, None)
}

fn fault(text: &str) -> Unusable {
    parse(text)
        .err()
        .unwrap_or_else(|| panic!("{text} is taken"))
}

#[test]
fn hashes_of_other_implementations_belong_to_their_passwords_alone() {
    let mut memory = Memory::default();
    for (password, text) in VECTORS {
        let scheme = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(scheme.verify(password, &mut memory), "{text}");
        for other in ["", "Password", "correct horse "] {
            assert!(!scheme.verify(other, &mut memory), "{text}: {other}");
        }
    }
}

#[test]
fn every_prefix_of_bcrypt_is_one_and_the_same() {
    for prefix in ["$2a$", "$2b$", "$2x$", "$2y$"] {
        let text = VECTORS[6].1.replacen("$2b$", prefix, 1);
        let scheme = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(scheme.verify("correct horse", &mut Memory::default()));
    }
}

#[test]
fn what_costs_too_much_is_refused_with_what_is_accepted() {
    let salt = "MDEyMzQ1Njc4OWFiY2RlZg";
    let out = "6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M";
    for (start, named) in [
        ("$argon2id$v=19$m=4194304,t=1,p=1", "argon2"),
        ("$argon2id$v=19$m=65536,t=17,p=1", "argon2"),
        ("$argon2d$v=19$m=262144,t=16,p=1", "argon2"),
        ("$argon2i$v=19$m=65536,t=1,p=64", "argon2"),
        ("$argon2id$v=19$m=4294967295,t=4294967295,p=1", "argon2"),
        ("$scrypt$ln=21,r=8,p=1", "scrypt"),
        ("$scrypt$ln=18,r=16,p=1", "scrypt"),
        ("$scrypt$ln=17,r=8,p=5", "scrypt"),
        ("$scrypt$ln=4294967295,r=4294967295,p=4294967295", "scrypt"),
        ("$pbkdf2-sha256$i=2000001", "pbkdf2"),
    ] {
        let error = fault(&format!("{start}${salt}${out}"));
        assert!(matches!(error, Unusable::TooDear(_)), "{start}: {error}");
        assert!(error.to_string().contains(named), "{start}: {error}");
        assert!(!error.to_string().contains(salt), "{error}");
    }
    let dear = VECTORS[6].1.replacen("$04$", "$15$", 1);
    assert!(matches!(fault(&dear), Unusable::TooDear(_)));
}

#[test]
fn what_is_no_hash_or_not_whole_is_refused() {
    for text in [
        "",
        "x",
        "correct horse",
        "$1$salt$hash",
        "$md5$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo",
        "$argon2id$",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        "$argon2id$v=19$m=64,t=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
        "$argon2id$v=7$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
        "$argon2id$v=19$m=1,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
        "$scrypt$ln=0,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
        "$scrypt$ln=10,r=0,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M",
        "$pbkdf2-sha256$i=0$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
        "$pbkdf2-sha256$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4M",
        "$2b$",
        "$2b$03$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$2b$xx$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$2b$04$äbcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6",
        "$2z$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    ] {
        let error = fault(text);
        assert!(!matches!(error, Unusable::TooDear(_)), "{text}: {error}");
    }
}

#[test]
fn the_configured_parameters_are_within_bounds_whatever_they_are() {
    let own = Params::new(512 * 1024, 20, 1, Some(32)).expect("good parameters");
    let text = "$argon2id$v=19$m=524288,t=20,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M";
    assert!(parse(text).is_err());
    let scheme = Scheme::parse(text, Some(&own)).expect("is our own");
    assert!(scheme.is(&own));
}
