//! Puts one question to a name server, from a socket with the outer socket's mark. So it takes the way of the tunnel's
//! own datagrams, even where a default route leads into the tunnel.
//!
//! What the messages say is TypeScript's (`lib/names/`); here only an answer's number is looked at. Each call blocks,
//! so it is made on a thread of its own.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::platform::error::Error;

/// Of a message over TCP, and of a UDP payload (RFC 1035 section 4.2).
const LONGEST: usize = 65_535;
/// Bytes of a header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;
/// QR, in the third byte: it is an answer.
const ANSWER: u8 = 0x80;

/// A question.
#[derive(Clone, Debug)]
pub struct NameQuery {
    /// Who is asked.
    pub server: SocketAddr,
    /// SO_MARK.
    pub fwmark: Option<u32>,
    /// Over TCP.
    pub tcp: bool,
    /// The message as it goes out, without TCP's length.
    pub message: Vec<u8>,
    /// How long the whole may take.
    pub patience: Duration,
}

/// Asks, and waits for the answer to this very message.
///
/// # Errors
/// [`Error::System`] with what the kernel says, `ETIMEDOUT` where nobody answers in time.
pub fn ask(query: &NameQuery) -> Result<Vec<u8>, Error> {
    let answer = if query.tcp { over_tcp(query) } else { over_udp(query) };
    answer.map_err(Error::system("ask the name server"))
}

/// The kernel's number of an interface; None: there is none of that name.
pub fn interface_index(name: &str) -> Option<u32> {
    let any = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::name_to_index(&any, name).ok()
}

fn open(query: &NameQuery, kind: Type, protocol: Protocol, until: Instant) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(query.server), kind.cloexec(), Some(protocol))?;
    if let Some(mark) = query.fwmark {
        socket.set_mark(mark)?;
    }
    socket.connect_timeout(&SockAddr::from(query.server), left(until)?)?;
    Ok(socket)
}

fn left(until: Instant) -> io::Result<Duration> {
    until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(timed_out)
}

fn timed_out() -> io::Error {
    io::Error::from_raw_os_error(libc::ETIMEDOUT)
}

/// A receive timeout is told as EAGAIN.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { timed_out() } else { error }
}

fn over_udp(query: &NameQuery) -> io::Result<Vec<u8>> {
    let until = Instant::now() + query.patience;
    // Connected: the kernel takes datagrams of this server only, and tells what ICMP says of the port.
    let mut socket = open(query, Type::DGRAM, Protocol::UDP, until)?;
    socket.send(&query.message)?;
    let mut buffer = vec![0; LONGEST];
    loop {
        socket.set_read_timeout(Some(left(until)?))?;
        let received = socket.read(&mut buffer).map_err(in_words)?;
        let answer = &buffer[..received];
        if answers(answer, &query.message) {
            return Ok(answer.to_vec());
        }
    }
}

fn over_tcp(query: &NameQuery) -> io::Result<Vec<u8>> {
    let until = Instant::now() + query.patience;
    let mut socket = open(query, Type::STREAM, Protocol::TCP, until)?;
    let length = u16::try_from(query.message.len()).map_err(io::Error::other)?;
    socket.set_write_timeout(Some(left(until)?))?;
    socket.write_all(&[&length.to_be_bytes(), query.message.as_slice()].concat()).map_err(in_words)?;
    let mut length = [0; 2];
    read_exactly(&mut socket, &mut length, until)?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    read_exactly(&mut socket, &mut answer, until)?;
    if answers(&answer, &query.message) { Ok(answer) } else { Err(io::Error::other("the answer is to something else")) }
}

/// A server that sends byte by byte has no more time than another.
fn read_exactly(socket: &mut Socket, mut into: &mut [u8], until: Instant) -> io::Result<()> {
    while !into.is_empty() {
        socket.set_read_timeout(Some(left(until)?))?;
        match socket.read(into).map_err(in_words)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => into = &mut into[read..],
        }
    }
    Ok(())
}

fn answers(answer: &[u8], message: &[u8]) -> bool {
    answer.len() >= HEADER && message.len() >= HEADER && answer[..2] == message[..2] && answer[2] & ANSWER != 0
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::thread;

    use super::*;

    const QUESTION: [u8; 13] = [0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7];

    fn query(server: SocketAddr, tcp: bool) -> NameQuery {
        NameQuery { server, fwmark: None, tcp, message: QUESTION.to_vec(), patience: Duration::from_secs(10) }
    }

    fn answer(number: [u8; 2], flags: u8) -> Vec<u8> {
        [&number, [flags, 0].as_slice(), &[0; 8], b"the rest"].concat()
    }

    #[test]
    fn over_udp_only_the_answer_to_this_question_counts() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let serving = thread::spawn(move || {
            let mut buffer = [0; 100];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], QUESTION);
            // Refused with ECONNREFUSED or lost: the asker's socket is connected to somebody else.
            let _ = stranger.send_to(&answer([0xAB, 0xCD], 0x80), from);
            for wrong in [answer([0xAB, 0xCE], 0x80), answer([0xAB, 0xCD], 0), vec![0xAB, 0xCD, 0x80]] {
                server.send_to(&wrong, from).unwrap();
            }
            server.send_to(&answer([0xAB, 0xCD], 0x81), from).unwrap();
        });
        assert_eq!(ask(&query(at, false)).unwrap(), answer([0xAB, 0xCD], 0x81));
        serving.join().unwrap();
    }

    #[test]
    fn over_tcp_the_answer_comes_in_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 2 + QUESTION.len()];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!((&asked[..2], &asked[2..]), ([0, 13].as_slice(), QUESTION.as_slice()));
            let whole = [[0, 20].as_slice(), &answer([0xAB, 0xCD], 0x80)].concat();
            for piece in whole.chunks(3) {
                stream.write_all(piece).unwrap();
                stream.flush().unwrap();
            }
        });
        assert_eq!(ask(&query(at, true)).unwrap(), answer([0xAB, 0xCD], 0x80));
        serving.join().unwrap();
    }

    #[test]
    fn nobody_there_is_told_and_silence_ends() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(ask(&query(closed, true)).is_err());
        assert!(ask(&query(closed, false)).is_err(), "ICMP says so, long before the time is over");
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let brief = NameQuery { patience: Duration::from_millis(20), ..query(silent.local_addr().unwrap(), false) };
        let Error::System { source, .. } = ask(&brief).unwrap_err() else { panic!("another error") };
        assert_eq!(source.raw_os_error(), Some(libc::ETIMEDOUT));
    }

    #[test]
    fn interfaces_have_numbers() {
        assert!(interface_index("lo").is_some_and(|index| index > 0));
        assert_eq!(interface_index("no-such-one"), None);
        assert_eq!(interface_index("a\0b"), None);
    }
}
