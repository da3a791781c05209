//! Passwords that can be written in several ways, as the real server answers them.

use crate::SPRAG;
use crate::people::login;
use crate::server::Home;

#[test]
fn a_wrong_password_with_three_forms_was_put_off_for_ever() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&[]);
    let mut client = server.connect();
    for (name, password) in
        [("ann", "が１２３４パスワード"), ("nobody-has-this-name", "e\u{301}ａ1２ a long one")]
    {
        let answer = client.ask_until_served(&login(name, password)).unwrap();
        assert_eq!(answer.status, 401, "{}", String::from_utf8_lossy(&answer.body));
    }
}
