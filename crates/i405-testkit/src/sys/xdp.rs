//! Just enough of AF_XDP to send from user memory in copy mode, which any interface takes.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::option::set_option;

const FRAMES: u32 = 16;
const FRAME_BYTES: u32 = 2048;

/// A mapped ring and where its parts are.
struct Ring {
    base: *mut u8,
    offsets: libc::xdp_ring_offset,
}

impl Ring {
    fn map(fd: i32, entry_bytes: u64, offsets: libc::xdp_ring_offset, page: libc::off_t) -> io::Result<Self> {
        let length = (offsets.desc + u64::from(FRAMES) * entry_bytes) as usize;
        // SAFETY: a new mapping that the kernel places; nothing is overwritten.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                fd,
                page,
            )
        };
        if base == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Ring { base: base.cast(), offsets }) }
    }

    fn index(&self, offset: u64) -> &AtomicU32 {
        // SAFETY: the kernel gave the offset of an aligned u32 inside the mapping, which lives as long as the process.
        unsafe { &*self.base.add(offset as usize).cast::<AtomicU32>() }
    }
}

/// A socket that sends whole Ethernet frames.
pub struct XdpSocket {
    fd: OwnedFd,
    memory: *mut u8,
    tx: Ring,
    completion: Ring,
    sent: u32,
}

impl XdpSocket {
    /// Binds to queue 0 of an interface.
    ///
    /// # Errors
    /// What the kernel says: no CONFIG_XDP_SOCKETS, no CAP_NET_RAW, no such interface.
    pub fn open(index: u32) -> io::Result<Self> {
        // SAFETY: a plain call without pointers.
        let raw = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` is a fresh descriptor that nobody else owns.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let bytes = (FRAMES * FRAME_BYTES) as usize;
        // SAFETY: a new private mapping; nothing is overwritten.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: plain integers, for which zero is valid.
        let mut region: libc::xdp_umem_reg = unsafe { std::mem::zeroed() };
        region.addr = memory as u64;
        region.len = bytes as u64;
        region.chunk_size = FRAME_BYTES;
        set_option(raw, libc::SOL_XDP, libc::XDP_UMEM_REG, &region)?;
        for ring in [libc::XDP_UMEM_FILL_RING, libc::XDP_UMEM_COMPLETION_RING, libc::XDP_TX_RING] {
            set_option(raw, libc::SOL_XDP, ring, &FRAMES)?;
        }
        // SAFETY: as above.
        let mut offsets: libc::xdp_mmap_offsets = unsafe { std::mem::zeroed() };
        let mut length = size_of::<libc::xdp_mmap_offsets>() as libc::socklen_t;
        // SAFETY: both pointers are to live variables, and length is the size of the first.
        let asked = unsafe {
            libc::getsockopt(raw, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS, (&raw mut offsets).cast(), &raw mut length)
        };
        if asked != 0 {
            return Err(io::Error::last_os_error());
        }
        let tx = Ring::map(raw, size_of::<libc::xdp_desc>() as u64, offsets.tx, libc::XDP_PGOFF_TX_RING)?;
        let completion = Ring::map(raw, 8, offsets.cr, libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t)?;
        // SAFETY: as above.
        let mut address: libc::sockaddr_xdp = unsafe { std::mem::zeroed() };
        address.sxdp_family = libc::AF_XDP as u16;
        address.sxdp_ifindex = index;
        address.sxdp_flags = libc::XDP_COPY;
        // SAFETY: the pointer is to a live sockaddr_xdp and the length is its size.
        let bound =
            unsafe { libc::bind(raw, (&raw const address).cast(), size_of::<libc::sockaddr_xdp>() as libc::socklen_t) };
        if bound != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(XdpSocket { fd, memory: memory.cast(), tx, completion, sent: 0 })
    }

    /// Sends one frame: copied into its place, described, and kicked off with one call.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        let slot = self.sent % FRAMES;
        let at = u64::from(slot * FRAME_BYTES);
        assert!(frame.len() <= FRAME_BYTES as usize, "a frame fits its place");
        // SAFETY: place and frame don't overlap, the place has FRAME_BYTES, and the kernel completed it 16 sends ago.
        unsafe { ptr::copy_nonoverlapping(frame.as_ptr(), self.memory.add(at as usize), frame.len()) };
        let description = libc::xdp_desc { addr: at, len: frame.len() as u32, options: 0 };
        // SAFETY: the ring has FRAMES descriptors from its offset on, and `slot` is below that.
        unsafe {
            let descriptors = self.tx.base.add(self.tx.offsets.desc as usize).cast::<libc::xdp_desc>();
            descriptors.add(slot as usize).write(description);
        }
        self.sent = self.sent.wrapping_add(1);
        self.tx.index(self.tx.offsets.producer).store(self.sent, Ordering::Release);
        // SAFETY: no buffer is passed.
        let kicked = unsafe { libc::sendto(self.fd.as_raw_fd(), ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0) };
        let produced = self.completion.index(self.completion.offsets.producer).load(Ordering::Acquire);
        self.completion.index(self.completion.offsets.consumer).store(produced, Ordering::Release);
        if kicked < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
