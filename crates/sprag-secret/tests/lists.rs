//! Secrets of public lists and of tutorials are refused, however they are written down.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use sprag_secret::{HASHES, WeakSecret, check};

/// Entries of the lists that no word gives away.
const SAMPLE: &[&str] = &[
    "FAE8649B15526F4349498C51D8552452",
    "2c89956d186a75693f2be77a79874107ed7fc7e2f860f0156abe8e2c20e5b12d",
    "ship-in-the-harbor-is-safe-but-that-is-not-what-a-ship-is-for",
    "YAMohammedAssallalouIEtoMoySekretnyyKlyuch99Mar5",
    "wRnjBKd}ECd8.'yqA8[cK44!pN5ay2yCQ]!_JS7m[c~-=tpak>t^HPukh=.d@HHc",
    "bZBc2sEbQLKqv7GkJD/VB8YuTC3eC0R0kRvJ5/xX37P=",
    "testing-testing-testing-testing!",
    "872e4e50ce9990d8b041330c47c9ddd11bec6b503ae9386a99da8584e9bb12c4",
    "gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr9C",
    "node.js Andrew Mead´s Udemy course secret seed 123@#$%¨&*(~ç",
    "sdjlhagmlamlsdkfjgh",
];

#[test]
fn the_list_is_the_one_that_was_made_from_the_public_ones() {
    assert_eq!(HASHES.lines().count(), COUNT);
    assert_eq!(HEXLOWER.encode(digest(&SHA256, HASHES.as_bytes()).as_ref()), SHA256_OF_LIST);
    assert!(HASHES.lines().is_sorted() && HASHES.lines().all(|line| line.len() == 16));
}

/// Change these two with the list.
const COUNT: usize = 3_507;
const SHA256_OF_LIST: &str = "b95aebbe5de9441e67076603e1fbe37f396ddf633985e185697bbde99cd206f8";

#[test]
fn a_secret_of_a_public_list_was_accepted_because_it_was_long() {
    for secret in SAMPLE {
        assert_eq!(check(secret.as_bytes()), Err(WeakSecret::Known), "{secret}");
    }
}

#[test]
fn every_secret_of_a_tutorial_is_refused() {
    let tutorials = include_str!("../known/tutorials.txt");
    assert!(tutorials.lines().count() > 30);
    for secret in tutorials.lines() {
        assert_eq!(check(secret.as_bytes()), Err(WeakSecret::Known), "{secret}");
    }
}

#[test]
fn a_known_secret_was_accepted_with_a_blank_a_quote_another_case_or_encoded() {
    for secret in SAMPLE {
        let bytes = secret.as_bytes();
        for spelling in [
            format!(" {secret}\r\n"),
            format!("\"{secret}\""),
            secret.to_uppercase().replace('Ç', "ç"),
            secret.replace(['-', ' '], "_"),
            BASE64.encode(bytes),
            BASE64URL_NOPAD.encode(bytes),
            HEXLOWER.encode(bytes),
            HEXUPPER.encode(bytes),
            format!("0x{}", HEXLOWER.encode(bytes)),
            HEXLOWER.encode(BASE64.encode(bytes).as_bytes()),
        ] {
            assert_eq!(check(spelling.as_bytes()), Err(WeakSecret::Known), "{spelling}");
        }
    }
    let bytes = HEXLOWER.decode(b"2c89956d186a75693f2be77a79874107ed7fc7e2f860f0156abe8e2c20e5b12d").unwrap();
    assert_eq!(check(&bytes), Err(WeakSecret::Known), "the list has it in hexadecimal");
}

#[test]
fn words_of_a_template_are_known_inside_of_anything() {
    for secret in [
        "django-insecure-8f3k2j4h5g6f7d8s9a0q1w2e3r4t5y6u",
        "please-change-me-in-production-ok-2026",
        "eW91ci1zdXBlci1zZWNyZXQtanVzdC1lbmNvZGVk",
        "secret",
        "",
    ] {
        assert_eq!(check(secret.as_bytes()), Err(WeakSecret::Known), "{secret}");
    }
}

#[test]
fn a_short_secret_made_long_by_zeros_or_by_writing_it_twice_was_accepted() {
    let mut padded = b"q8Zr2mWx7LtB4vNc9KdJ".to_vec();
    padded.resize(64, 0);
    assert_eq!(check(&padded), Err(WeakSecret::Repeated));
    assert_eq!(check(b"q8Zr2mWx7LtB4vNcq8Zr2mWx7LtB4vNc"), Err(WeakSecret::Repeated));
    assert_eq!(check(b"q8Zr2mWx7LtB4vNc9Kdq8Zr2mWx7LtB4vNc9Kdq8Zr"), Err(WeakSecret::Repeated));
    assert_eq!(check(b"q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aU"), Err(WeakSecret::Short));
    assert_eq!(check(&[7; 64]), Err(WeakSecret::Monotonous));
}

#[test]
fn a_random_secret_passes_in_every_encoding() {
    for seed in 0..2_000_u32 {
        let random = digest(&SHA256, &seed.to_be_bytes());
        let random = random.as_ref();
        for secret in [random.to_vec(), BASE64.encode(random).into(), HEXLOWER.encode(random).into()] {
            assert_eq!(check(&secret), Ok(()), "{seed}");
        }
        let twice = [random, random].concat();
        assert_eq!(check(&twice), Ok(()), "32 random bytes are enough, however often they stand there");
    }
}
