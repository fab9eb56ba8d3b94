use std::{io::Write, process::Command};

use super::{Key, KeyKind};

#[test]
fn a_key_survives_its_text() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let key = Key::generate(kind).unwrap();
        let again = Key::from_pem(&key.to_pem()).unwrap();
        assert_eq!(again.pair.public_key_raw(), key.pair.public_key_raw(), "{kind:?}");
        assert!(!format!("{key:?}").contains(&key.to_pem()[40..60]));
    }
}

#[test]
fn texts_without_a_key_are_refused() {
    for text in ["", "key", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        Key::from_pem(text).unwrap_err();
    }
}

/// The forms that plugged-in authorities come in.
#[test]
fn keys_of_openssl_are_read_in_all_forms() {
    for arguments in [
        &["ecparam", "-name", "prime256v1", "-genkey"][..],
        &["genrsa", "-traditional", "2048"],
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    ] {
        let Ok(made) = Command::new("openssl").args(arguments).output() else {
            eprintln!("not run: openssl is not installed");
            return;
        };
        let key = Key::from_pem(&String::from_utf8(made.stdout).unwrap()).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(key.to_pem().as_bytes()).unwrap();
        let check = Command::new("openssl").args(["pkey", "-noout", "-in"]).arg(file.path()).status().unwrap();
        assert!(check.success(), "{arguments:?}");
    }
}
