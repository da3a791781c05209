use std::net::SocketAddr;
use std::sync::Mutex;

use sprag::clock::{HandClock, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// SHA-1 of "password".
const HASH: &str = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8";

/// A service that answers so, and notes what it was asked.
struct Service {
    address: SocketAddr,
    answer: Mutex<String>,
    asked: Mutex<Vec<String>>,
}

impl Service {
    async fn answering(answer: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Arc::new(Self { address, answer: Mutex::new(ok(answer)), asked: Mutex::default() });
        let of_task = Arc::clone(&service);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut came = [0; 4096];
                let read = stream.read(&mut came).await.unwrap();
                of_task.asked.lock().unwrap().push(String::from_utf8_lossy(&came[..read]).into_owned());
                let answer = of_task.answer.lock().unwrap().clone();
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.is_empty() {
                    // Whoever waits for the rest waits in vain.
                    tokio::spawn(async move { stream.read(&mut came).await });
                }
            }
        });
        service
    }

    /// From now on it answers so: status line, headers and body.
    fn answers(&self, whole: String) {
        *self.answer.lock().unwrap() = whole;
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn seen_from(&self, networks: &[&str], clock: &Arc<HandClock>) -> BreachRange {
        let networks: Vec<_> = networks.iter().map(|network| network.parse().unwrap()).collect();
        let url = Url::parse(&format!("http://{}/range/", self.address)).unwrap();
        BreachRange::at(&url, &Reach::new(&networks).unwrap(), &(Arc::clone(clock) as Arc<dyn Clock>))
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::at(Timestamp(1_000_000_000_000)))
}

#[tokio::test]
async fn a_service_learns_five_digits_and_no_more() {
    let service = Service::answering("0018A45C4D1DEF81644B54AB7F969B88D65:3").await;
    let range = service.seen_from(&["127.0.0.0/8"], &clock());
    assert!(!range.knows(HASH).await.unwrap());
    let asked = service.asked().concat();
    assert!(asked.starts_with("GET /range/5BAA6 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_lowercase().contains("\r\nadd-padding: true\r\n"), "{asked}");
    assert!(!asked.contains(&HASH[5..]) && !asked.contains(&HASH[..6]), "{asked}");
}

#[tokio::test]
async fn what_was_seen_is_known_and_padding_is_not() {
    let rest = &HASH[5..];
    let other = "0018A45C4D1DEF81644B54AB7F969B88D65";
    for (answer, is_known) in [
        (format!("{other}:3\r\n{rest}:52256179\r\n"), true),
        (format!("{}:1", rest.to_lowercase()), true),
        (format!("{rest}:0\r\n{other}:3"), false),
        (format!("{other}:3\n{other}:0\n"), false),
        (String::new(), false),
    ] {
        let service = Service::answering(&answer).await;
        let found = service.seen_from(&["127.0.0.0/8"], &clock()).knows(HASH).await;
        assert_eq!(found.unwrap(), is_known, "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_fault_and_says_why() {
    let large = format!("{}\r\n", "0018A45C4D1DEF81644B54AB7F969B88D65:3").repeat(8000);
    for (answer, why) in [
        (ok("<html>Log in to this network</html>"), "something else"),
        (ok("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1"), "something else"),
        (ok("0018A45C4D1DEF81644B54AB7F969B88D65:many"), "something else"),
        (ok(&large), "more than 262144 bytes"),
        ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_owned(), "answers 503"),
        ("HTTP/1.1 307 Elsewhere\r\nLocation: http://[::1]/\r\nContent-Length: 0\r\n\r\n".to_owned(), "307"),
        ("no HTTP at all\r\n\r\n".to_owned(), "does not speak HTTP"),
    ] {
        let service = Service::answering("").await;
        service.answers(answer);
        let fault = service.seen_from(&["127.0.0.0/8"], &clock()).knows(HASH).await.unwrap_err();
        let told = fault.source.expect("it says why").to_string();
        assert!(told.contains(why), "{told}");
        assert!(!told.contains("5BAA6"), "{told}");
    }
}

#[tokio::test]
async fn nobody_waits_long_for_a_service_that_is_away_nor_asks_it_again_at_once() {
    let (service, clock) = (Service::answering("").await, clock());
    service.answers(String::new());
    let range = service.seen_from(&["127.0.0.0/8"], &clock);
    let range = BreachRange { patience: Duration::from_millis(50), ..range };
    let late = range.knows(HASH).await.unwrap_err();
    assert!(late.source.expect("it says why").to_string().contains("50 ms"));
    service.answers(ok(&format!("{}:1", &HASH[5..])));
    let paused = range.knows(HASH).await.unwrap_err();
    assert!(paused.source.expect("it says why").to_string().contains("a moment ago"));
    clock.wind(Duration::from_millis(9999));
    range.knows(HASH).await.unwrap_err();
    assert_eq!(service.asked().len(), 1, "it was left alone");
    clock.wind(Duration::from_millis(1));
    let range = BreachRange { patience: PATIENCE * 20, ..range };
    assert!(range.knows(HASH).await.unwrap());
    // A clock that went back far is no pause.
    service.answers(String::new());
    let range = BreachRange { patience: Duration::from_millis(50), ..range };
    range.knows(HASH).await.unwrap_err();
    clock.wind_back(Duration::from_secs(3600));
    service.answers(ok(""));
    let range = BreachRange { patience: PATIENCE * 20, ..range };
    assert!(!range.knows(HASH).await.unwrap());
}

#[tokio::test]
async fn nobody_inside_is_asked_unless_their_network_is_named() {
    let service = Service::answering("").await;
    let fault = service.seen_from(&["10.0.0.0/8"], &clock()).knows(HASH).await.unwrap_err();
    let told = fault.source.expect("it says why").to_string();
    assert!(told.contains("no public address") && told.contains("hook-networks"), "{told}");
    assert!(service.asked().is_empty());
}
