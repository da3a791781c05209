//! What a source does not write into its hashes, so that whoever imports must say it.

use sprag::password::says_no_password;

/// What is to be known of the hashes of a source besides what stands in them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum HashForm {
    /// Nothing: they say it themselves.
    #[default]
    Told,
    /// They were made with a pepper.
    Peppered,
    /// They are Firebase's.
    Firebase(FirebaseScrypt),
}

/// The parameters that Firebase shows for all hashes of a project, but for its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FirebaseScrypt {
    rounds: u8,
    mem_cost: u8,
    salt_separator: String,
}

/// What stands before a hash that was made with a pepper.
const PEPPERED: &str = "{peppered}";

impl FirebaseScrypt {
    /// Reads `rounds=8,mem_cost=14,salt_separator=Bw==`, by the names that Firebase's console and its tools give them.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str = "write it as rounds=8,mem_cost=14,salt_separator=Bw== with the values of your project, which the \
                             Firebase console shows under Authentication, Users, Password hash parameters";
        let (mut rounds, mut mem_cost, mut salt_separator) = (None, None, None);
        for pair in text.split(',') {
            let (name, value) = pair.split_once('=').ok_or_else(|| RIGHT.to_owned())?;
            match name.trim() {
                "rounds" => rounds = value.trim().parse().ok(),
                "mem_cost" | "mem-cost" => mem_cost = value.trim().parse().ok(),
                "salt_separator" | "base64_salt_separator" | "salt-separator" => {
                    salt_separator = Some(value.trim().to_owned()).filter(|text| is_base64(text));
                }
                _ => return Err(RIGHT.to_owned()),
            }
        }
        match (rounds, mem_cost, salt_separator) {
            (Some(rounds), Some(mem_cost), Some(salt_separator)) => {
                Ok(Self { rounds, mem_cost, salt_separator })
            }
            _ => Err(RIGHT.to_owned()),
        }
    }
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

impl HashForm {
    /// The hash with all that must be known of it, as it is kept here.
    pub(super) fn complete(&self, hash: String, salt: Option<String>) -> String {
        if says_no_password(&hash) {
            return hash;
        }
        match (self, salt) {
            (Self::Told, _) | (Self::Firebase(_), None) => hash,
            (Self::Peppered, _) => format!("{PEPPERED}{hash}"),
            (Self::Firebase(FirebaseScrypt { rounds, mem_cost, salt_separator }), Some(salt)) => {
                // Its own interface writes Base64 for URLs, its exports the other one.
                let plain = |text: String| text.replace('-', "+").replace('_', "/");
                let (salt, hash) = (plain(salt), plain(hash));
                format!("$firescrypt$ln={mem_cost},r={rounds},p=1${salt}${hash}${salt_separator}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_firebase_shows_of_a_project_is_read_by_its_names() {
        let expected = FirebaseScrypt { rounds: 8, mem_cost: 14, salt_separator: "Bw==".to_owned() };
        for text in [
            "rounds=8,mem_cost=14,salt_separator=Bw==",
            "base64_salt_separator=Bw==, mem_cost=14, rounds=8",
            "rounds=8,mem-cost=14,salt-separator=Bw==",
        ] {
            assert_eq!(FirebaseScrypt::parse(text), Ok(expected.clone()), "{text}");
        }
        for wrong in
            ["", "rounds=8", "rounds=8,mem_cost=14", "rounds=x,mem_cost=14,salt_separator=Bw==", "8,14,Bw=="]
        {
            assert!(FirebaseScrypt::parse(wrong).unwrap_err().contains("Firebase console"), "{wrong}");
        }
    }

    #[test]
    fn who_has_no_password_gets_no_hash_by_what_is_put_before_it() {
        let firebase = FirebaseScrypt::parse("rounds=8,mem_cost=14,salt_separator=Bw==").unwrap();
        for form in [HashForm::Told, HashForm::Peppered, HashForm::Firebase(firebase)] {
            for nothing in ["", "!", "*"] {
                assert_eq!(form.complete(nothing.to_owned(), Some("c2FsdA==".to_owned())), nothing);
            }
        }
    }
}
