use proptest::prelude::*;
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::encode;

proptest! {
    #[test]
    fn what_is_written_is_read(der in prop::collection::vec(any::<u8>(), 1..300)) {
        let text = encode("CERTIFICATE", &der);
        prop_assert!(text.lines().all(|line| line.len() <= 64));
        prop_assert_eq!(CertificateDer::from_pem_slice(text.as_bytes()).unwrap().to_vec(), der);
    }
}
