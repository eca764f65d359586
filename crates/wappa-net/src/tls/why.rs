//! Why two ends have not agreed on how a connection is encrypted, for a person in a hurry.

use std::{error::Error, io};

use rustls::{CertificateError, InvalidMessage};
use wappa_component::fault;

/// Why a connection was not made, or is gone: what is wrong with a certificate is said in a few words.
pub fn why(err: &io::Error) -> String {
    match err.get_ref() {
        Some(inner) => why_of(inner).unwrap_or_else(|| fault::cause(err)),
        None => fault::cause(err),
    }
}

/// The same of what may be behind an error; `None`: it is nothing of TLS.
pub fn why_of(err: &(dyn Error + 'static)) -> Option<String> {
    let mut found = Some(err);
    while let Some(err) = found {
        if let Some(err) = err.downcast_ref::<rustls::Error>() {
            return Some(text(err));
        }
        // An error within one of the system is no source of it.
        let within = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        found = within.map(|it| it as &(dyn Error + 'static)).or_else(|| err.source());
    }
    None
}

fn text(err: &rustls::Error) -> String {
    let reason = match err {
        rustls::Error::InvalidCertificate(reason) => reason,
        // The first bytes of an answer are none of TLS.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return "the other end does not speak TLS there".to_string();
        }
        other => return other.to_string(),
    };
    let said = match reason {
        CertificateError::UnknownIssuer => "it is signed by an unknown authority".to_string(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_string(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_string()
        }
        CertificateError::NotValidForName => "it is for another name".to_string(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            match presented.is_empty() {
                true => format!("it is not for {expected}, and for no name at all"),
                false => format!("it is not for {expected}, but for {}", presented.join(", ")),
            }
        }
        other => other.to_string(),
    };
    format!("invalid peer certificate: {said}")
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_a_few_words() {
        let of = |reason| {
            // However deep it is.
            why(&io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(reason))))
        };
        let begin = "invalid peer certificate: ";
        assert_eq!(
            of(CertificateError::UnknownIssuer),
            format!("{begin}it is signed by an unknown authority")
        );
        assert_eq!(of(CertificateError::Expired), format!("{begin}it has expired"));
        let expected = ServerName::try_from("a.example").expect("it is a name");
        let other = CertificateError::NotValidForNameContext {
            expected,
            presented: vec!["DnsName(\"b.example\")".to_string()],
        };
        assert_eq!(of(other), format!("{begin}it is not for a.example, but for DnsName(\"b.example\")"));
        assert_eq!(why(&io::Error::from_raw_os_error(111)), "connection refused");
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(why(&io::Error::other(plain)), "the other end does not speak TLS there");
    }
}
