//! The proxy passes on, slows down, falls silent, cuts, refuses and heals.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use sprag_rig::Proxy;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(60);

/// A server that answers each byte with its own.
fn answering(with: u8) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                while let Ok(1) = stream.read(&mut [0]) {
                    if stream.write_all(&[with]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.addr()).unwrap()
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"?").unwrap();
}

fn answer(stream: &mut TcpStream, patience: Duration) -> Result<u8, ErrorKind> {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).map(|()| byte[0]).map_err(|error| error.kind())
}

#[test]
fn it_passes_on_and_points_elsewhere() {
    let proxy = Proxy::start(answering(b'a'));
    let mut first = connect(&proxy);
    ask(&mut first);
    assert_eq!(answer(&mut first, LONG), Ok(b'a'));
    proxy.point_at(answering(b'b'));
    let mut second = connect(&proxy);
    ask(&mut second);
    assert_eq!(answer(&mut second, LONG), Ok(b'b'));
    ask(&mut first);
    assert_eq!(answer(&mut first, LONG), Ok(b'a'), "a connection stays where it was made to");
}

#[test]
fn it_takes_its_time() {
    let proxy = Proxy::start(answering(b'a'));
    let mut stream = connect(&proxy);
    proxy.delay(SHORT);
    let begun = Instant::now();
    ask(&mut stream);
    assert_eq!(answer(&mut stream, LONG), Ok(b'a'));
    assert!(begun.elapsed() >= 2 * SHORT);
}

#[test]
fn it_hangs_and_heals() {
    let proxy = Proxy::start(answering(b'a'));
    let mut early = connect(&proxy);
    ask(&mut early);
    assert_eq!(answer(&mut early, LONG), Ok(b'a'));
    proxy.hang();
    let mut late = connect(&proxy);
    for stream in [&mut early, &mut late] {
        ask(stream);
        assert_eq!(answer(stream, SHORT), Err(ErrorKind::WouldBlock));
    }
    proxy.heal();
    for stream in [&mut early, &mut late] {
        assert_eq!(answer(stream, LONG), Ok(b'a'), "what was held arrives");
    }
}

#[test]
fn it_holds_answers_alone_and_loses_them_in_a_cut() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap());
    proxy.hold_answers();
    let mut stream = connect(&proxy);
    let (mut served, _) = listener.accept().unwrap();
    ask(&mut stream);
    assert_eq!(answer(&mut served, LONG), Ok(b'?'), "the question is heard");
    served.write_all(b"!").unwrap();
    assert_eq!(answer(&mut stream, SHORT), Err(ErrorKind::WouldBlock));
    proxy.cut();
    assert_eq!(answer(&mut stream, LONG), Err(ErrorKind::UnexpectedEof));
    assert_eq!(answer(&mut served, LONG), Err(ErrorKind::UnexpectedEof));
}

#[test]
fn it_refuses_and_listens_again() {
    let proxy = Proxy::start(answering(b'a'));
    let mut stream = connect(&proxy);
    ask(&mut stream);
    assert_eq!(answer(&mut stream, LONG), Ok(b'a'));
    proxy.refuse(true);
    let refused = TcpStream::connect(proxy.addr()).unwrap_err().kind();
    assert_eq!(refused, ErrorKind::ConnectionRefused);
    ask(&mut stream);
    assert_eq!(answer(&mut stream, LONG), Ok(b'a'), "who is connected stays");
    proxy.heal();
    ask(&mut stream);
    assert_eq!(answer(&mut stream, LONG), Ok(b'a'));
    let mut again = connect(&proxy);
    ask(&mut again);
    assert_eq!(answer(&mut again, LONG), Ok(b'a'));
}

#[test]
fn the_end_of_a_side_is_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap());
    let mut stream = connect(&proxy);
    let (mut served, _) = listener.accept().unwrap();
    stream.write_all(b"bye").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut heard = String::new();
    served.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "bye");
    served.write_all(b"!").unwrap();
    assert_eq!(answer(&mut stream, LONG), Ok(b'!'), "the other side is still open");
}
