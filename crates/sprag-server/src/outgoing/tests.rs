use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn outgoing(networks: &[&str]) -> Outgoing {
    let secrets = SigningSecrets::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let networks: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
    Outgoing::new(secrets, Reach::new(&networks).unwrap())
}

/// A server that answers each request so, and sends back what came.
async fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut came = [0; 4096];
            let read = stream.read(&mut came).await.unwrap();
            let came = String::from_utf8_lossy(&came[..read]).into_owned();
            let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: {}\r\n\r\n{came}", came.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

async fn posted(outgoing: &Outgoing, url: &str) -> Result<Reply, OutgoingError> {
    let url = target(url).unwrap();
    outgoing.post(&url, ("msg_1", 1_614_265_330), Bytes::from_static(b"{}"), LIMIT).await
}

#[tokio::test]
async fn a_request_is_signed_and_says_who_it_is_for() {
    let address = answering("200 OK").await;
    let url = format!("http://localhost:{}/in?key=1", address.port());
    let reply = posted(&outgoing(&["127.0.0.0/8"]), &url).await.unwrap();
    let came = String::from_utf8_lossy(&reply.body).to_lowercase();
    assert!(reply.is_success() && came.starts_with("post /in?key=1 http/1.1"), "{came}");
    assert!(came.contains(&format!("host: localhost:{}", address.port())), "{came}");
    for header in ["webhook-id: msg_1", "webhook-timestamp: 1614265330", "webhook-signature: v1,"] {
        assert!(came.contains(header), "{came}");
    }
}

#[tokio::test]
async fn nobody_is_reached_who_is_not_public_unless_their_network_is_named() {
    let port = answering("200 OK").await.port();
    let strict = outgoing(&[]);
    for host in ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let refused = posted(&strict, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(refused, OutgoingError::NotPublic { .. }), "{host}: {refused}");
        let refused = posted(&strict, &format!("https://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(refused, OutgoingError::NotPublic { .. }), "{host}: {refused}");
    }
    let refused = posted(&outgoing(&["10.0.0.0/8"]), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(refused, OutgoingError::NotPublic { .. }), "{refused}");
    let plain = posted(&strict, "http://93.184.216.34/").await.unwrap_err();
    assert!(matches!(plain, OutgoingError::Plain { .. }), "{plain}");
    assert!(posted(&outgoing(&["127.0.0.1/32"]), &format!("http://127.0.0.1:{port}/")).await.is_ok());
}

#[tokio::test]
async fn what_is_only_read_is_not_signed_and_no_more_is_read_than_may_be() {
    let address = answering("200 OK").await;
    let url = target(&format!("http://{address}/range/ABCDE?mode=x")).unwrap();
    let reach = Reach::new(&["127.0.0.0/8".parse().unwrap()]).unwrap();
    let bounds = |most_bytes| Bounds { limit: LIMIT, most_bytes };
    let reply = reach.get(&url, ("add-padding", "true"), bounds(4096)).await.unwrap();
    let came = String::from_utf8_lossy(&reply.body).to_lowercase();
    assert!(came.starts_with("get /range/abcde?mode=x http/1.1"), "{came}");
    assert!(came.contains("add-padding: true") && came.contains("user-agent: sprag/"), "{came}");
    assert!(came.contains(&format!("host: {address}")) && !came.contains("webhook"), "{came}");
    let large = reach.get(&url, ("add-padding", "true"), bounds(16)).await.unwrap_err();
    assert!(matches!(large, OutgoingError::TooLarge { most_bytes: 16, .. }), "{large}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let address = answering("307 Temporary Redirect\r\nLocation: http://169.254.169.254/latest").await;
    let reply = posted(&outgoing(&["127.0.0.0/8"]), &format!("http://{address}/")).await.unwrap();
    assert_eq!((reply.status, reply.is_success()), (307, false));
}

#[tokio::test]
async fn an_answer_without_end_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = target(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let limit = Duration::from_millis(50);
    let asked = outgoing(&["127.0.0.0/8"]);
    let late = asked.post(&url, ("msg_1", 1), Bytes::new(), limit).await.unwrap_err();
    assert!(matches!(late, OutgoingError::TooSlow { .. }), "{late}");
}

#[test]
fn what_may_be_secret_in_a_url_is_not_shown() {
    let url = target("https://example.org/in?key=hunter2").unwrap();
    assert_eq!(shown(&url), "https://example.org/in?…");
    for text in ["example.org", "ftp://example.org/", "https://ann:hunter2@example.org/", "https://"] {
        let told = target(text).unwrap_err();
        assert!(!told.contains("hunter2"), "{told}");
    }
}
